import { roundHalfEven } from "./round-float.ts";
import type { ScaleAndZero } from "./scale-search.ts";

/*
 * Half-quadratic quantization, Badri and Shaji 2023 (mobiusml.github.io/hqq_blog), as its library's `optimize_weights_proximal_legacy` computes
 * it (hqq 0.2.8), for each group by itself: the scale stays the range over 15 (or what the most is), and the zero point moves to where Σ |error|^0.7 is less,
 * by turns of choosing numbers, shrinking the errors to those of outliers, and taking the mean.
 */

const NORM = 0.7;
const BETA = 10;
const ITERATIONS = 20;
/** Errors up to here shrink to nothing: |e| ≤ |e|^(p − 1) / β. Those of most weights do, and then no power need be taken. */
const SHRINKS_TO_ZERO = BETA ** (-1 / (2 - NORM));

/**
 * Scale and zero point for numbers from 0 to `most`.
 * @param low smallest weight of the group
 * @param high largest weight of the group
 * @param whole the zero point is to be a whole number of 0…`most`
 */
export function hqqScaleAndZero(
  weights: Float32Array,
  low: number,
  high: number,
  whole: boolean,
  most = 15,
): ScaleAndZero {
  // The library keeps scales in the reach of half precision here, and so loses groups of very small weights.
  const inverse = high > low ? most / (high - low) : 1;
  let zero = -low * inverse;
  if (whole) zero = roundHalfEven(zero);
  let bestError = Number.POSITIVE_INFINITY;
  for (let i = 0; i < ITERATIONS; i++) {
    let error = 0;
    let zeros = 0;
    for (const weight of weights) {
      const number = Math.min(most, Math.max(0, Math.round(weight * inverse + zero)));
      const rest = weight - (number - zero) / inverse;
      error += Math.abs(rest);
      zeros += number - (weight - shrink(rest)) * inverse;
    }
    zero = zeros / weights.length;
    if (error >= bestError) break;
    bestError = error;
  }
  if (whole) zero = Math.min(most, Math.max(0, roundHalfEven(zero)));
  return { scale: 1 / inverse, zero };
}

function shrink(error: number): number {
  const magnitude = Math.abs(error);
  if (magnitude <= SHRINKS_TO_ZERO) return 0;
  return Math.sign(error) * (magnitude - magnitude ** (NORM - 1) / BETA);
}
