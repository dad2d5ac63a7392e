// Integers of 2 to 8 bits: every group of weights has a scale and perhaps a zero point.
//
// Groups hold a multiple of 32 weights. Scales and zero points are chosen outside, from each group's extremes.
import { magnitudeBits } from "./_floats";

export { widenBf16, widenF16 } from "./_floats";

/** Smallest and largest weight of each group, and the bits of the largest magnitude, which tell of NaN and infinity. */
export function extremes(weights: usize, groups: i32, groupSize: i32, lowest: usize, highest: usize, magnitude: usize): void {
  const groupBytes = (<usize>groupSize) << 2;
  for (let group = 0; group < groups; group++) {
    store<u32>(magnitude, magnitudeBits(weights, groupSize));
    let low = v128.load(weights);
    let high = low;
    for (const end = weights + groupBytes; weights < end; weights += 16) {
      const four = v128.load(weights);
      low = f32x4.pmin(low, four);
      high = f32x4.pmax(high, four);
    }
    low = f32x4.pmin(low, v128.shuffle<i32>(low, low, 2, 3, 0, 1));
    low = f32x4.pmin(low, v128.shuffle<i32>(low, low, 1, 0, 3, 2));
    high = f32x4.pmax(high, v128.shuffle<i32>(high, high, 2, 3, 0, 1));
    high = f32x4.pmax(high, v128.shuffle<i32>(high, high, 1, 0, 3, 2));
    store<f32>(lowest, f32x4.extract_lane(low, 0));
    store<f32>(highest, f32x4.extract_lane(high, 0));
    lowest += 4;
    highest += 4;
    magnitude += 4;
  }
}

/** Adding it leaves the nearest integer, of two the even one, in the low bits. */
const ROUNDER: f32 = 12582912;

/** Rounds to nearest even, away with the last `drop` bits of the mantissa. */
// @ts-ignore: decorator
@inline
function shorten(values: v128, drop: i32): v128 {
  if (drop == 0) return values;
  const odd = v128.and(i32x4.shr_u(values, drop), i32x4.splat(1));
  const rounded = i32x4.add(i32x4.add(values, i32x4.splat((1 << (drop - 1)) - 1)), odd);
  return v128.and(rounded, i32x4.splat(-1 << drop));
}

/** Four weights over the scale, plus the zero point, in arithmetic that drops the last bits; clamped, rounded, `offset` added. */
// @ts-ignore: decorator
@inline
function divided(weights: usize, scale: v128, zero: v128, lowest: f32, highest: f32, offset: i32, drop: i32): v128 {
  const quotient = shorten(f32x4.div(v128.load(weights), scale), drop);
  const shifted = shorten(f32x4.add(quotient, zero), drop);
  const clamped = f32x4.pmax(f32x4.splat(lowest), f32x4.pmin(f32x4.splat(highest), shifted));
  return i32x4.sub(f32x4.add(clamped, f32x4.splat(ROUNDER)), i32x4.splat(reinterpret<i32>(ROUNDER) - offset));
}

// @ts-ignore: decorator
@inline
function sixteenDivided(weights: usize, scale: v128, zero: v128, lowest: f32, highest: f32, offset: i32, drop: i32): v128 {
  return i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(
      divided(weights, scale, zero, lowest, highest, offset, drop),
      divided(weights + 16, scale, zero, lowest, highest, offset, drop),
    ),
    i16x8.narrow_i32x4_s(
      divided(weights + 32, scale, zero, lowest, highest, offset, drop),
      divided(weights + 48, scale, zero, lowest, highest, offset, drop),
    ),
  );
}

/** Two numbers of 0…15 a byte, the earlier one low: from 32 bytes, 16. */
// @ts-ignore: decorator
@inline
function packed(first: v128, second: v128): v128 {
  const mask = i16x8.splat(0xff);
  return i8x16.narrow_i16x8_u(
    v128.and(v128.or(first, i16x8.shr_u(first, 4)), mask),
    v128.and(v128.or(second, i16x8.shr_u(second, 4)), mask),
  );
}

// @ts-ignore: decorator
@inline
function encode4With(weights: usize, groups: i32, groupSize: i32, scales: usize, zeros: usize, codes: usize, drop: i32): void {
  for (let group = 0; group < groups; group++) {
    const scale = v128.load32_splat(scales);
    const zero = v128.load32_splat(zeros);
    for (const end = weights + ((<usize>groupSize) << 2); weights < end; weights += 128) {
      const first = sixteenDivided(weights, scale, zero, -8, 7, 8, drop);
      v128.store(codes, packed(first, sixteenDivided(weights + 64, scale, zero, -8, 7, 8, drop)));
      codes += 16;
    }
    scales += 4;
    zeros += 4;
  }
}

/**
 * Half a byte for each weight: round(weight / scale + zero), from −8 to 7, plus 8. `drop`: bits of F32's mantissa that the arithmetic
 * does not have: 16 for BF16, 13 for F16, 0.
 */
export function encode4(
  weights: usize,
  groups: i32,
  groupSize: i32,
  scales: usize,
  zeros: usize,
  drop: i32,
  codes: usize,
): void {
  if (drop == 16) encode4With(weights, groups, groupSize, scales, zeros, codes, 16);
  else if (drop == 13) encode4With(weights, groups, groupSize, scales, zeros, codes, 13);
  else encode4With(weights, groups, groupSize, scales, zeros, codes, 0);
}

// @ts-ignore: decorator
@inline
function encodeBytesWith(
  weights: usize,
  groups: i32,
  groupSize: i32,
  scales: usize,
  zeros: usize,
  lowest: f32,
  highest: f32,
  codes: usize,
  drop: i32,
): void {
  for (let group = 0; group < groups; group++) {
    const scale = v128.load32_splat(scales);
    const zero = v128.load32_splat(zeros);
    for (const end = weights + ((<usize>groupSize) << 2); weights < end; weights += 64) {
      v128.store(codes, sixteenDivided(weights, scale, zero, lowest, highest, 0, drop));
      codes += 16;
    }
    scales += 4;
    zeros += 4;
  }
}

/** A signed byte for each weight: round(weight / scale + zero), from `lowest` to `highest`. */
export function encodeBytes(
  weights: usize,
  groups: i32,
  groupSize: i32,
  scales: usize,
  zeros: usize,
  lowest: f32,
  highest: f32,
  drop: i32,
  codes: usize,
): void {
  if (drop == 16) encodeBytesWith(weights, groups, groupSize, scales, zeros, lowest, highest, codes, 16);
  else if (drop == 13) encodeBytesWith(weights, groups, groupSize, scales, zeros, lowest, highest, codes, 13);
  else encodeBytesWith(weights, groups, groupSize, scales, zeros, lowest, highest, codes, 0);
}

/** Four weights times the scale's inverse, plus 8, rounded half up, from 0 to 15. */
// @ts-ignore: decorator
@inline
function multiplied(weights: usize, inverse: v128): v128 {
  const shifted = f32x4.add(f32x4.mul(v128.load(weights), inverse), f32x4.splat(8.5));
  return i32x4.trunc_sat_f32x4_s(f32x4.pmax(f32x4.splat(0), f32x4.pmin(f32x4.splat(15), shifted)));
}

// @ts-ignore: decorator
@inline
function sixteenMultiplied(weights: usize, inverse: v128): v128 {
  return i8x16.narrow_i16x8_s(
    i16x8.narrow_i32x4_s(multiplied(weights, inverse), multiplied(weights + 16, inverse)),
    i16x8.narrow_i32x4_s(multiplied(weights + 32, inverse), multiplied(weights + 48, inverse)),
  );
}

/** As `encode4` without zero points, the way ONNX Runtime rounds: the scale's inverse is multiplied, and halves go up. */
export function encode4HalfUp(weights: usize, groups: i32, groupSize: i32, scales: usize, codes: usize): void {
  for (let group = 0; group < groups; group++) {
    const scale = load<f32>(scales);
    const inverse = f32x4.splat(scale == 0 ? 0 : <f32>1 / scale);
    for (const end = weights + ((<usize>groupSize) << 2); weights < end; weights += 128) {
      v128.store(codes, packed(sixteenMultiplied(weights, inverse), sixteenMultiplied(weights + 64, inverse)));
      codes += 16;
    }
    scales += 4;
  }
}

// Searches for the scale of least squared error, see scale-search.ts. Candidates are tried in fixed point of 16 bits.

/** Weights summed up in 32 bits before the sums could overflow. */
const SEGMENT: i32 = 8192;
/** Scales that have no inverse. */
const SMALLEST: f32 = 1e-37;

/** Sum of four signed lanes. */
// @ts-ignore: decorator
@inline
function total(lanes: v128): f64 {
  const pairs = i64x2.add(i64x2.extend_low_i32x4_s(lanes), i64x2.extend_high_i32x4_s(lanes));
  return <f64>(i64x2.extract_lane(pairs, 0) + i64x2.extract_lane(pairs, 1));
}

/** round((weight − low) · inverse · unit) in 16 bits. */
// @ts-ignore: decorator
@inline
function toFixedPoint(weights: usize, count: i32, low: f32, inverse: f32, unit: f32, output: usize): void {
  const lows = f32x4.splat(low);
  const inverses = f32x4.splat(inverse);
  const units = f32x4.splat(unit);
  for (const end = weights + ((<usize>count) << 2); weights < end; weights += 32) {
    const a = f32x4.nearest(f32x4.mul(f32x4.mul(f32x4.sub(v128.load(weights), lows), inverses), units));
    const b = f32x4.nearest(f32x4.mul(f32x4.mul(f32x4.sub(v128.load(weights, 16), lows), inverses), units));
    v128.store(output, i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(a), i32x4.trunc_sat_f32x4_s(b)));
    output += 16;
  }
}

/**
 * Replaces each group's scale by that of least squared error for numbers from −`half` to `half` − 1. `shares`: int16, 8192 over the
 * candidate's share.
 */
export function searchScales(
  weights: usize,
  groups: i32,
  groupSize: i32,
  scales: usize,
  half: i32,
  shares: usize,
  candidates: i32,
  scratch: usize,
): void {
  const lowest = i16x8.splat(<i16>-half);
  const highest = i16x8.splat(<i16>(half - 1));
  const rounder = i16x8.splat(256);
  const groupBytes = (<usize>groupSize) << 2;
  for (let group = 0; group < groups; group++, weights += groupBytes, scales += 4) {
    const scale = load<f32>(scales);
    if (Mathf.abs(scale) < SMALLEST) continue;
    toFixedPoint(weights, groupSize, 0, <f32>1 / scale, 2048, scratch);
    let bestScore: f64 = 0;
    let best: f64 = 1;
    for (let candidate = 0; candidate < candidates; candidate++) {
      const share = v128.load16_splat(shares + (candidate << 1));
      let weightsByNumbers: f64 = 0;
      let numbersSquared: f64 = 0;
      for (let begin = 0; begin < groupSize; begin += SEGMENT) {
        let products = i32x4.splat(0);
        let squares = i32x4.splat(0);
        const end = scratch + ((<usize>min(begin + SEGMENT, groupSize)) << 1);
        for (let at = scratch + ((<usize>begin) << 1); at < end; at += 16) {
          const fixed = v128.load(at);
          const rounded = i16x8.shr_s(i16x8.add(i16x8.q15mulr_sat_s(fixed, share), rounder), 9);
          const number = i16x8.max_s(lowest, i16x8.min_s(highest, rounded));
          products = i32x4.add(products, i32x4.dot_i16x8_s(fixed, number));
          squares = i32x4.add(squares, i32x4.dot_i16x8_s(number, number));
        }
        weightsByNumbers += total(products);
        numbersSquared += total(squares);
      }
      if (weightsByNumbers <= 0) continue;
      const score = (weightsByNumbers * weightsByNumbers) / numbersSquared;
      if (score > bestScore) {
        bestScore = score;
        best = weightsByNumbers / numbersSquared / 2048;
      }
    }
    store<f32>(scales, <f32>(<f64>scale * best));
  }
}

/**
 * Replaces each group's scale and lowest weight by the scale and the zero point of least squared error for numbers from 0 to `most`.
 * `whole`: zero points are to be whole numbers.
 */
export function searchWithZero(
  weights: usize,
  groups: i32,
  groupSize: i32,
  scales: usize,
  zeros: usize,
  whole: bool,
  most: i32,
  shares: usize,
  candidates: i32,
  scratch: usize,
): void {
  const lowest = i16x8.splat(0);
  const highest = i16x8.splat(<i16>most);
  const middle = <f64>most / 2;
  const ones = i16x8.splat(1);
  const count = <f64>groupSize;
  const groupBytes = (<usize>groupSize) << 2;
  for (let group = 0; group < groups; group++, weights += groupBytes, scales += 4, zeros += 4) {
    const scale = load<f32>(scales);
    const low = load<f32>(zeros);
    const start = <f64>low / <f64>scale;
    if (scale < SMALLEST) {
      store<f32>(zeros, 0);
      continue;
    }
    toFixedPoint(weights, groupSize, low, <f32>1 / scale, 1024, scratch);
    let fixedSum: i64 = 0;
    for (let at = scratch, end = scratch + (groupBytes >> 1); at < end; at += 2) fixedSum += <i64>load<i16>(at);
    const weightSum = <f64>fixedSum / 1024 + count * start;

    let bestScore: f64 = -1;
    let bestScale: f64 = 1;
    let bestZero: f64 = -start;
    for (let candidate = 0; candidate < candidates; candidate++) {
      const reciprocal = load<i16>(shares + (candidate << 1));
      const share = i16x8.splat(reciprocal);
      const inverse = <f64>reciprocal / 8192;
      let zero = middle - (start + middle) * inverse;
      if (whole) zero = min(<f64>most, max(0, floor(zero + 0.5)));
      const shift = i16x8.splat(<i16>floor((zero + start * inverse) * 256 + 0.5) + 128);
      let weightsByNumbers: f64 = 0;
      let numbers: f64 = 0;
      let numbersSquared: f64 = 0;
      for (let begin = 0; begin < groupSize; begin += SEGMENT) {
        let products = i32x4.splat(0);
        let sums = i32x4.splat(0);
        let squares = i32x4.splat(0);
        const end = scratch + ((<usize>min(begin + SEGMENT, groupSize)) << 1);
        for (let at = scratch + ((<usize>begin) << 1); at < end; at += 16) {
          const fixed = v128.load(at);
          const rounded = i16x8.shr_s(i16x8.add(i16x8.q15mulr_sat_s(fixed, share), shift), 8);
          const number = i16x8.max_s(lowest, i16x8.min_s(highest, rounded));
          products = i32x4.add(products, i32x4.dot_i16x8_s(fixed, number));
          sums = i32x4.add(sums, i32x4.dot_i16x8_s(ones, number));
          squares = i32x4.add(squares, i32x4.dot_i16x8_s(number, number));
        }
        weightsByNumbers += total(products) / 1024;
        numbers += total(sums);
        numbersSquared += total(squares);
      }
      weightsByNumbers += start * numbers;
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
    store<f32>(scales, <f32>(<f64>scale * bestScale));
    store<f32>(zeros, <f32>bestZero);
  }
}
