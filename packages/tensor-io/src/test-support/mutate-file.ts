import { entry, fileBytes, patternedBytes, seededRandom } from "./build-file.ts";

/** Valid files of several kinds, to start from. */
export const seeds: readonly Uint8Array[] = [
  fileBytes("{}"),
  fileBytes(`{"test":${entry("I32", [2, 2], 0, 16)}}   `, patternedBytes(16)),
  fileBytes(
    `{"__metadata__":{"format":"pt","k":"v"},"a.weight":${entry("BF16", [3, 4], 0, 24)},"a.bias":${entry("F32", [3], 24, 36)},"e":${entry("F64", [0, 7], 36, 36)},"q":${entry("F4", [2, 3], 36, 39)}}`,
    patternedBytes(39),
  ),
  fileBytes(`{"\\u00e4\\n":{"shape":[],"data_offsets":[0,1],"dtype":"BOOL","extra":[1,{"x":null}]}}`, 1),
];

const tokens = [
  ...'{}[]:,"\\0123456789-.eE \n\t',
  "18446744073709551615",
  "9007199254740993",
  "1e999",
  '"dtype"',
  '"shape"',
  '"data_offsets"',
  '"__metadata__"',
  '"F32"',
  '"F4"',
  "null",
  "true",
  '"\\ud800"',
  "[[[[[[[[",
  "\u0000",
  "é",
];

/**
 * A file made of a valid one by a few random changes: bytes flipped, inserted, removed, doubled or taken from another file, tokens put
 * in, the header's length changed, the end cut or lengthened.
 */
export function mutant(seed: number): Uint8Array {
  const random = seededRandom(seed);
  const below = (count: number) => Math.floor(random() * count);
  let bytes: Uint8Array = (seeds[below(seeds.length)] as Uint8Array).slice();
  const headerEnd = 8 + new DataView(bytes.buffer).getUint32(0, true);
  for (let changes = 1 + below(4); changes > 0 && bytes.length > 8; changes--) {
    const at = 8 + below(Math.max(1, headerEnd - 8));
    const length = 1 + below(12);
    switch (below(8)) {
      case 0:
        bytes[Math.min(at, bytes.length - 1)] = below(256);
        break;
      case 1:
        bytes = spliced(bytes, at, length, new Uint8Array(0));
        break;
      case 2:
        bytes = spliced(bytes, at, 0, new TextEncoder().encode(tokens[below(tokens.length)] as string));
        break;
      case 3:
        bytes = spliced(bytes, at, length, new TextEncoder().encode(tokens[below(tokens.length)] as string));
        break;
      case 4:
        bytes = spliced(bytes, at, 0, bytes.slice(at, at + length * 6));
        break;
      case 5: {
        const other = seeds[below(seeds.length)] as Uint8Array;
        bytes = spliced(
          bytes,
          at,
          length,
          other.slice(8 + below(other.length), 8 + below(other.length) + length),
        );
        break;
      }
      case 6:
        bytes = bytes.slice(0, bytes.length - below(20));
        break;
      default: {
        const text = new TextDecoder("latin1").decode(bytes.subarray(8, headerEnd));
        const numbers = [...text.matchAll(/\d+/g)];
        const number = numbers[below(Math.max(1, numbers.length))];
        if (number !== undefined) {
          const value = String(Math.max(0, Number(number[0]) + below(5) - 2));
          bytes = spliced(bytes, 8 + number.index, number[0].length, new TextEncoder().encode(value));
        }
      }
    }
  }
  if (bytes.length >= 8) {
    // Most changes are to be seen by the parser, so the length mostly still points behind the last closing brace.
    const length = Math.max(0, bytes.lastIndexOf(0x7d) - 7) + (random() < 0.2 ? below(9) - 4 : 0);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.max(0, length)), true);
  }
  return bytes;
}

function spliced(bytes: Uint8Array, at: number, removed: number, inserted: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...inserted, ...bytes.subarray(at + removed)]);
}
