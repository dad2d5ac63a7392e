import { describe, expect, it } from "vitest";
import { packBits, unpackBits } from "./bit-packing.ts";

/** Bit i of code c of a row is bit c · bits + i of the row: the definition, a bit at a time. */
function bitByBit(codes: Uint8Array, columns: number, bits: number): Uint32Array {
  const rowWords = Math.ceil((columns * bits) / 32);
  const words = new Uint32Array((codes.length / columns) * rowWords);
  for (const [at, code] of codes.entries()) {
    for (let i = 0; i < bits; i++) {
      const bit = (at % columns) * bits + i;
      const word = Math.floor(at / columns) * rowWords + (bit >> 5);
      words[word] = (words[word] as number) | (((code >> i) & 1) << (bit & 31));
    }
  }
  return words;
}

describe.each([2, 3, 4, 8])("codes of %i bits", (bits) => {
  // Rows that fill words and rows that do not, of whole fours and not.
  it.each([32, 64, 96, 4, 12, 20, 44, 7, 33])("in rows of %i are packed and back", (columns) => {
    const codes = Uint8Array.from({ length: 5 * columns }, (_, i) => (i * 73 + (i >> 3) * 29) % 2 ** bits);
    const words = packBits(codes, columns, bits);
    expect(words).toEqual(bitByBit(codes, columns, bits));
    expect(unpackBits(words, columns, bits)).toEqual(codes);
    const shifted = new Uint8Array(codes.length + 1).subarray(1);
    shifted.set(codes);
    expect(packBits(shifted, columns, bits)).toEqual(words);
  });
});
