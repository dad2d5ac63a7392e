import { toFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeIntegers } from "./decode-integers.ts";
import type { IntegerGrid } from "./formats/format.ts";
import type { GroupScales } from "./integer-search.ts";
import type { IntegerWeights } from "./integer-weights.ts";

/** Codes nearest to a matrix's weights by scales and zero points that were found before. */
export function nearestIntegers(
  weight: Float32Array,
  columns: number,
  { bits, groupSize }: Pick<IntegerGrid, "bits" | "groupSize">,
  { scales, zeroPoints }: GroupScales,
): IntegerWeights {
  const top = 2 ** bits - 1;
  const codes = new Uint8Array(weight.length);
  for (let group = 0; group < scales.length; group++) {
    const scale = scales[group] as number;
    const zero = zeroPoints === undefined ? 2 ** (bits - 1) : (zeroPoints[group] as number);
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++) {
      const code = scale === 0 ? zero : Math.round((weight[i] as number) / scale + zero);
      codes[i] = Math.max(0, Math.min(top, code));
    }
  }
  const matrix = { bits, rows: weight.length / columns, columns, groupSize, codes, scales };
  return zeroPoints === undefined ? matrix : { ...matrix, zeroPoints };
}

/** The weights as numbers. */
export function decodedIntegers(weights: IntegerWeights): Float32Array {
  return toFloat32(decodeIntegers(weights, "F32"), "F32");
}
