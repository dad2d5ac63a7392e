import type { IntegerGrid } from "./formats/format.ts";
import { storableScales } from "./group-scales.ts";
import { weightedScales } from "./weighted-scales.ts";

/** Scales and zero points of a matrix's groups, as a file will hold them. */
export interface GroupScales {
  /** `[rows, groups]` */
  readonly scales: Float32Array;
  /** `[rows, groups]`, where the format has them; 2^(bits − 1) else. */
  readonly zeroPoints: Uint8Array | undefined;
}

/**
 * Searches the scales of each group for the least error, weighted by the importance of columns.
 * @param weight `[rows, importance.length]`
 * @throws {RangeError} where a scale is too large for its dtype
 */
export function searchIntegerScales(
  weight: Float32Array,
  { bits, groupSize, zeroPoints, lowestZeroPoint, scaleDtype }: IntegerGrid,
  importance: ArrayLike<number>,
): GroupScales {
  const columns = importance.length;
  const found = weightedScales({
    weight,
    rows: weight.length / columns,
    columns,
    groupSize,
    levels: integerLevels(bits),
    importance,
    zeroPoints,
    zero: zeroPoints ? lowestZeroPoint : 2 ** (bits - 1),
  });
  return {
    scales: storableScales(scaleDtype, found.scales, 0),
    zeroPoints: found.zeros && Uint8Array.from(found.zeros, (zero) => Math.max(lowestZeroPoint, zero)),
  };
}

/** 0, 1, … 2^bits − 1. */
export function integerLevels(bits: number): Float32Array {
  return Float32Array.from({ length: 2 ** bits }, (_, code) => code);
}
