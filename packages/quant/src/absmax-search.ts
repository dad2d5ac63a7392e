import type { Codebook } from "./codebook.ts";
import { roundHalfEven } from "./round-float.ts";

/*
 * A block's largest magnitude is a poor scale: a little less serves the many other weights better, at the price of one that is clipped.
 * For a given choice of values c the best scale has a closed form, Σwc / Σc², and leaves the error Σw² − (Σwc)² / Σc². So each
 * candidate scale of a grid proposes its choice, and of all choices the one with the greatest (Σwc)² / Σc² gives the scale. The grid
 * is coarse, since the closed form moves each candidate to the best scale near it.
 *
 * Weights, thresholds and values are rounded to 1/4096 of the absmax on the way, so that sums are exact in integers and WebAssembly
 * and this code agree to the bit. What is encoded in the end is not rounded.
 */

/** Fixed-point units of a block's absmax. */
export const UNIT = 4096;

/** Shares of absmax that are tried. Among more weights the largest one stands out further. */
export function candidateShares(blockSize: number): number[] {
  const [lowest, count] = blockSize <= 256 ? [0.7, 16] : [0.3, 31];
  return Array.from({ length: count }, (_, i) => lowest + ((1.1 - lowest) * i) / (count - 1));
}

/** For each candidate the codebook's thresholds, int16 [candidates, 15], in fixed point. */
export function candidateThresholds({ thresholds }: Codebook, blockSize: number): Int16Array {
  const shares = candidateShares(blockSize);
  return Int16Array.from(shares.flatMap((share) => [...thresholds].map((t) => Math.floor(t * share * UNIT))));
}

/** The codebook's numbers in ascending order, int16 [16], in fixed point. */
export function fixedPointValues({ values, order }: Codebook): Int16Array {
  return Int16Array.from(order, (index) => Math.round((values[index] as number) * UNIT));
}

/** Scales that are left as they are. */
const SMALLEST = Math.fround(1e-38);

/**
 * The scale of least squared error for one block.
 * @param grid `candidateThresholds`
 */
export function searchScale(
  weights: Float32Array,
  absmax: number,
  grid: Int16Array,
  values: Int16Array,
): number {
  if (absmax < SMALLEST) return absmax;
  const factor = Math.fround(1 / absmax);
  const fixed = Int16Array.from(weights, (weight) => roundHalfEven(Math.fround(weight * factor) * UNIT));
  let bestScore = 0;
  let best = 1;
  for (let candidate = 0; candidate < grid.length; candidate += 15) {
    let weightsByValues = 0;
    let valuesSquared = 0;
    for (const weight of fixed) {
      let rank = 0;
      for (let i = 0; i < 15; i++) if (weight > (grid[candidate + i] as number)) rank++;
      const value = values[rank] as number;
      weightsByValues += weight * value;
      valuesSquared += value * value;
    }
    if (weightsByValues <= 0) continue;
    const score = (weightsByValues * weightsByValues) / valuesSquared;
    if (score > bestScore) {
      bestScore = score;
      best = weightsByValues / valuesSquared;
    }
  }
  return Math.fround(absmax * best);
}
