import { decodeChunks } from "./decode-chunks.ts";
import type { IntegerWeights } from "./integer-weights.ts";
import type { FloatDtype } from "./weights.ts";

/** The weights as elements of `dtype`: products in float32, rounded to nearest even. */
export function decodeIntegers(weights: IntegerWeights, dtype: FloatDtype): Uint8Array {
  const { bits, groupSize, codes, scales, zeroPoints } = weights;
  const middle = 2 ** (bits - 1);
  return decodeChunks(codes.length, groupSize, dtype, (decoded, first, groups) => {
    for (let group = 0; group < groups; group++) {
      const scale = scales[first + group] as number;
      const zero = zeroPoints === undefined ? middle : (zeroPoints[first + group] as number);
      const start = (first + group) * groupSize;
      for (let i = 0; i < groupSize; i++)
        decoded[group * groupSize + i] = ((codes[start + i] as number) - zero) * scale;
    }
  });
}
