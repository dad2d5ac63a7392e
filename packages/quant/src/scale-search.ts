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

/** 8192 over the share of the first scale, for each candidate. */
export function reciprocalShares(groupSize: number): Int16Array {
  return Int16Array.from(candidateShares(groupSize), (share) => Math.round(8192 / share));
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
 * The scale of least squared error for numbers from −8 to 7.
 * @param scale the first scale: the extreme weight over −8
 */
export function searchScale4(weights: Float32Array, scale: number, shares: Int16Array): number {
  if (Math.abs(scale) < SMALLEST) return scale;
  const fixed = toFixedPoint(weights, 0, scale, 2048);
  let bestScore = 0;
  let best = 1;
  for (const share of shares) {
    let weightsByNumbers = 0;
    let numbersSquared = 0;
    for (const weight of fixed) {
      const number = Math.max(-8, Math.min(7, (q15(weight, share) + 256) >> 9));
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
 * The scale and the zero point of least squared error for numbers from 0 to 15.
 * @param low the smallest weight
 * @param scale the first scale: largest less smallest weight, over 15
 * @param whole zero points are to be whole numbers of 0…15
 */
export function searchScaleAndZero(
  weights: Float32Array,
  low: number,
  scale: number,
  whole: boolean,
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
    let zero = 7.5 - (start + 7.5) * inverse;
    if (whole) zero = Math.min(15, Math.max(0, Math.floor(zero + 0.5)));
    const shift = Math.floor((zero + start * inverse) * 256 + 0.5) + 128;
    let weightsByNumbers = 0;
    let numbers = 0;
    let numbersSquared = 0;
    for (const weight of fixed) {
      const number = Math.max(0, Math.min(15, (q15(weight, share) + shift) >> 8));
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
