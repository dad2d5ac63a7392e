import { alignmentRank, bitsPerElement, elementCount } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { TensorSpec } from "../tensor-info.ts";
import { LENGTH_BYTES, MAX_HEADER_BYTES } from "./header.ts";

/** A tensor and where its bytes go in the file about to be written. */
export interface PlacedTensor extends TensorSpec {
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

export interface Layout {
  /** The length and the header, padded with blanks to a multiple of 8: the first bytes of the file. */
  readonly header: Uint8Array;
  readonly tensors: readonly PlacedTensor[];
  /** Bytes of the whole file. */
  readonly fileSize: number;
}

/**
 * Lays out a file: widest dtype first, then by name, so that every tensor is aligned and equal input gives equal bytes.
 * Metadata is written by key for the same reason.
 * @throws {CheckpointError} where the header would pass the format's limit or a tensor does not fill whole bytes.
 */
export function layoutFile(
  tensors: readonly TensorSpec[],
  metadata: Readonly<Record<string, string>>,
  file: string,
): Layout {
  const sorted = tensors.toSorted(
    (a, b) => alignmentRank(b.dtype) - alignmentRank(a.dtype) || compareUtf8(a.name, b.name),
  );
  const parts: string[] = [];
  const keys = Object.keys(metadata).sort(compareUtf8);
  if (keys.length > 0) {
    const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`);
    parts.push(`"__metadata__":{${pairs.join(",")}}`);
  }
  const lengths: number[] = [];
  let begin = 0;
  for (const { name, dtype, shape } of sorted) {
    const bits = elementCount(shape) * bitsPerElement(dtype);
    if (!Number.isSafeInteger(bits) || bits % 8 !== 0) {
      throw new CheckpointError(
        bits % 8 === 0 ? "overflow" : "misaligned",
        `shape [${shape}] of ${dtype} cannot be written: it takes ${bits} bits`,
        { file, tensor: name },
      );
    }
    const end = begin + bits / 8;
    parts.push(
      `${JSON.stringify(name)}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${begin},${end}]}`,
    );
    lengths.push(bits / 8);
    begin = end;
  }
  const json = new TextEncoder().encode(`{${parts.join(",")}}`);
  const padded = Math.ceil(json.length / LENGTH_BYTES) * LENGTH_BYTES;
  if (padded > MAX_HEADER_BYTES) {
    throw new CheckpointError(
      "header-too-large",
      `the header takes ${padded} bytes and the limit is ${MAX_HEADER_BYTES}; write smaller shards`,
      { file },
    );
  }
  const header = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(padded), true);
  header.set(json, LENGTH_BYTES);

  let offset = header.length;
  const placed = sorted.map((tensor, i) => {
    const byteLength = lengths[i] ?? 0;
    offset += byteLength;
    return { ...tensor, offset: offset - byteLength, byteLength };
  });
  return { header, tensors: placed, fileSize: offset };
}

/** Order of the UTF-8 bytes, as Rust and Python's writer sort; it differs from UTF-16's only past the surrogates. */
export function compareUtf8(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const surrogates = (x >= 0xd800 && x < 0xe000 ? 1 : 0) - (y >= 0xd800 && y < 0xe000 ? 1 : 0);
    return surrogates === 0 ? x - y : surrogates;
  }
  return a.length - b.length;
}
