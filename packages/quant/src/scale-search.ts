import { candidateShares } from "./absmax-search.ts";
import { roundHalfEven } from "./round-float.ts";

/*
 * The search of absmax-search.ts for integers: candidate scales propose the numbers, and of all proposals the one that explains the
 * weights best gives the scale, in closed form. With a zero point the closed form is a regression: weights ≈ scale · (number − zero).
 *
 * The fixed point has 2048 units (1024 with a zero point) to the first scale. What is encoded in the end is not rounded.
 */

/** Scales that have no inverse. */
const SMALLEST = Math.fround(1e-37);

/**
 * 8192 over the share of the first scale, for each candidate. With few levels the best scale may be much less than what the largest weight
 * asks for.
 */
export function reciprocalShares(groupSize: number, bits: number): Int16Array {
  return Int16Array.from(candidateShares(bits < 4 ? Number.POSITIVE_INFINITY : groupSize), (share) =>
    Math.round(8192 / share),
  );
}

/** a · b / 2^15, rounded half up, as i16x8.q15mulr_sat_s gives it. */
function q15(a: number, b: number): number {
  return (a * b + 0x4000) >> 15;
}

function toFixedPoint(weights: Float32Array, low: number, scale: number, unit: number): Int16Array {
  const inverse = Math.fround(1 / scale);
  return Int16Array.from(weights, (weight) =>
    roundHalfEven(Math.fround(Math.fround(Math.fround(weight - low) * inverse) * unit)),
  );
}

/**
 * The scale of least squared error for numbers from −`half` to `half` − 1.
 * @param scale the first scale: the extreme weight over −`half`
 */
export function searchScale(weights: Float32Array, scale: number, half: number, shares: Int16Array): number {
  if (Math.abs(scale) < SMALLEST) return scale;
  const fixed = toFixedPoint(weights, 0, scale, 2048);
  let bestScore = 0;
  let best = 1;
  for (const share of shares) {
    let weightsByNumbers = 0;
    let numbersSquared = 0;
    for (const weight of fixed) {
      const number = Math.max(-half, Math.min(half - 1, (q15(weight, share) + 256) >> 9));
      weightsByNumbers += weight * number;
      numbersSquared += number * number;
    }
    if (weightsByNumbers <= 0) continue;
    const score = (weightsByNumbers * weightsByNumbers) / numbersSquared;
    if (score > bestScore) {
      bestScore = score;
      best = weightsByNumbers / numbersSquared / 2048;
    }
  }
  return Math.fround(scale * best);
}

export interface ScaleAndZero {
  readonly scale: number;
  /** The number that stands for weight 0. */
  readonly zero: number;
}

/**
 * The scale and the zero point of least squared error for numbers from 0 to `most`.
 * @param low the smallest weight
 * @param scale the first scale: largest less smallest weight, over `most`
 * @param whole zero points are to be whole numbers of 0…`most`
 */
export function searchScaleAndZero(
  weights: Float32Array,
  low: number,
  scale: number,
  whole: boolean,
  most: number,
  shares: Int16Array,
): ScaleAndZero {
  if (scale < SMALLEST) return { scale, zero: 0 };
  const fixed = toFixedPoint(weights, low, scale, 1024);
  const start = low / scale;
  const count = weights.length;
  let fixedSum = 0;
  for (const weight of fixed) fixedSum += weight;
  const weightSum = fixedSum / 1024 + count * start;

  let bestScore = -1;
  let bestScale = 1;
  let bestZero = -start;
  for (const share of shares) {
    const inverse = share / 8192;
    let zero = most / 2 - (start + most / 2) * inverse;
    if (whole) zero = Math.min(most, Math.max(0, Math.floor(zero + 0.5)));
    const shift = Math.floor((zero + start * inverse) * 256 + 0.5) + 128;
    let weightsByNumbers = 0;
    let numbers = 0;
    let numbersSquared = 0;
    for (const weight of fixed) {
      const number = Math.max(0, Math.min(most, (q15(weight, share) + shift) >> 8));
      weightsByNumbers += weight * number;
      numbers += number;
      numbersSquared += number * number;
    }
    weightsByNumbers = weightsByNumbers / 1024 + start * numbers;
    if (!whole) zero = numbers / count;
    const covariance = weightsByNumbers - zero * weightSum;
    const variance = numbersSquared - 2 * zero * numbers + count * zero * zero;
    if (covariance <= 0) continue;
    const score = (covariance * covariance) / variance;
    if (score > bestScore) {
      bestScore = score;
      bestScale = covariance / variance;
      bestZero = whole ? zero : zero - weightSum / count / bestScale;
    }
  }
  return { scale: Math.fround(scale * bestScale), zero: Math.fround(bestZero) };
}
