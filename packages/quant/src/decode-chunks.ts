import { convert } from "@vlmopt/tensor-io/browser";
import { elementBytes, type FloatDtype } from "./weights.ts";

/** Weights decoded at once: they stay in a core's own cache until they are converted. */
const CHUNK_WEIGHTS = 16 * 1024;

/**
 * Decodes groups by `decode`, which writes the weights of groups `[first, first + groups)` from the start of `weights` on, and rounds them to
 * `dtype`.
 */
export function decodeChunks(
  count: number,
  groupSize: number,
  dtype: FloatDtype,
  decode: (weights: Float32Array, first: number, groups: number) => void,
): Uint8Array {
  const result = new Uint8Array(count * elementBytes(dtype));
  const groupsAtOnce = Math.max(1, Math.floor(CHUNK_WEIGHTS / groupSize));
  const weights = new Float32Array(groupsAtOnce * groupSize);
  const bytes = new Uint8Array(weights.buffer);
  const groups = count / groupSize;
  for (let first = 0; first < groups; first += groupsAtOnce) {
    const some = Math.min(groupsAtOnce, groups - first);
    decode(weights, first, some);
    const output = result.subarray(first * groupSize * elementBytes(dtype));
    convert(bytes.subarray(0, some * groupSize * 4), "F32", dtype, output);
  }
  return result;
}
