// Statistics of equally long segments that follow each other in memory: rows of a matrix, or the part of a row that belongs
// to one attention head. One result a segment. Any length is right; lengths that are multiples of 8 are fast.

export const BF16: i32 = 0;
export const F16: i32 = 1;
export const F32: i32 = 2;

/** Sign and magnitude to two's complement: the order of 16-bit floats becomes that of integers. */
// @ts-ignore: decorator
@inline
function ordered16(bits: v128): v128 {
  return v128.xor(bits, v128.and(i16x8.shr_s(bits, 15), i16x8.splat(0x7fff)));
}

// @ts-ignore: decorator
@inline
function ordered16Scalar(bits: i32): i32 {
  return bits ^ ((bits >> 15) & 0x7fff);
}

/**
 * Largest and smallest element of each segment of 16-bit floats (BF16 or F16 alike), as bit patterns, so that no element is ever
 * converted. NaN counts as larger than infinity where its sign is clear, smaller than -infinity where it is set.
 * `output`: two i32 a segment, maximum first.
 */
export function extremes16(input: usize, segments: i32, length: i32, output: usize): void {
  for (let segment = 0; segment < segments; segment++) {
    let max = -32768;
    let min = 32767;
    let i = 0;
    if (length >= 8) {
      let maxs = i16x8.splat(-32768);
      let mins = i16x8.splat(32767);
      for (; i <= length - 8; i += 8) {
        const values = ordered16(v128.load(input + (<usize>i << 1)));
        maxs = i16x8.max_s(maxs, values);
        mins = i16x8.min_s(mins, values);
      }
      for (let half = 0; half < 3; half++) {
        const by = half == 0 ? i8x16(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7) : half == 1
          ? i8x16(4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3)
          : i8x16(2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1);
        maxs = i16x8.max_s(maxs, i8x16.swizzle(maxs, by));
        mins = i16x8.min_s(mins, i8x16.swizzle(mins, by));
      }
      max = i16x8.extract_lane_s(maxs, 0);
      min = i16x8.extract_lane_s(mins, 0);
    }
    for (; i < length; i++) {
      const value = ordered16Scalar(load<i16>(input + (<usize>i << 1)));
      if (value > max) max = value;
      if (value < min) min = value;
    }
    store<i32>(output, ordered16Scalar(max) & 0xffff);
    store<i32>(output + 4, ordered16Scalar(min) & 0xffff);
    output += 8;
    input += <usize>length << 1;
  }
}

/** The same for F32 elements; two f32 a segment. NaN wins over everything. */
export function extremes32(input: usize, segments: i32, length: i32, output: usize): void {
  for (let segment = 0; segment < segments; segment++) {
    let max: f32 = -Infinity;
    let min: f32 = Infinity;
    let i = 0;
    if (length >= 4) {
      let maxs = f32x4.splat(-Infinity);
      let mins = f32x4.splat(Infinity);
      for (; i <= length - 4; i += 4) {
        const values = v128.load(input + (<usize>i << 2));
        maxs = f32x4.max(maxs, values);
        mins = f32x4.min(mins, values);
      }
      max = Mathf.max(
        Mathf.max(f32x4.extract_lane(maxs, 0), f32x4.extract_lane(maxs, 1)),
        Mathf.max(f32x4.extract_lane(maxs, 2), f32x4.extract_lane(maxs, 3)),
      );
      min = Mathf.min(
        Mathf.min(f32x4.extract_lane(mins, 0), f32x4.extract_lane(mins, 1)),
        Mathf.min(f32x4.extract_lane(mins, 2), f32x4.extract_lane(mins, 3)),
      );
    }
    for (; i < length; i++) {
      const value = load<f32>(input + (<usize>i << 2));
      max = Mathf.max(max, value);
      min = Mathf.min(min, value);
    }
    store<f32>(output, max);
    store<f32>(output + 4, min);
    output += 8;
    input += <usize>length << 2;
  }
}

/** Four floats from 16-bit patterns in the low half of each 32-bit lane. Infinity and NaN of F16 become NaN. */
// @ts-ignore: decorator
@inline
function widen(bits: v128, dtype: i32): v128 {
  if (dtype == BF16) return i32x4.shl(bits, 16);
  const magnitude = v128.and(bits, i32x4.splat(0x7fff));
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  // The exponent is off by 112 (127 - 15); multiplying by 2^112 mends it, subnormals included.
  const value = f32x4.mul(i32x4.shl(magnitude, 13), f32x4.splat(reinterpret<f32>(0x77800000)));
  const special = i32x4.gt_s(magnitude, i32x4.splat(0x7bff));
  return v128.or(v128.or(value, sign), special);
}

// @ts-ignore: decorator
@inline
function scalar(input: usize, i: i32, dtype: i32): f64 {
  if (dtype == F32) return load<f32>(input + (<usize>i << 2));
  return f32x4.extract_lane(widen(i32x4.splat(load<u16>(input + (<usize>i << 1))), dtype), 0);
}

// @ts-ignore: decorator
@inline
function high(values: v128): v128 {
  return v128.shuffle<f32>(values, values, 2, 3, 2, 3);
}

// @ts-ignore: decorator
@inline
function momentsOf(input: usize, segments: i32, length: i32, dtype: i32, output: usize): void {
  const bytes: usize = (<usize>length) << (dtype == F32 ? 2 : 1);
  for (let segment = 0; segment < segments; segment++) {
    let sums0 = f64x2.splat(0);
    let sums1 = f64x2.splat(0);
    let squares0 = f64x2.splat(0);
    let squares1 = f64x2.splat(0);
    let magnitudes0 = f64x2.splat(0);
    let magnitudes1 = f64x2.splat(0);
    let i = 0;
    for (; i <= length - 4; i += 4) {
      const values = dtype == F32
        ? v128.load(input + (<usize>i << 2))
        : widen(v128.load_ext<u16>(input + (<usize>i << 1)), dtype);
      const low = f64x2.promote_low_f32x4(values);
      const top = f64x2.promote_low_f32x4(high(values));
      sums0 = f64x2.add(sums0, low);
      sums1 = f64x2.add(sums1, top);
      squares0 = f64x2.add(squares0, f64x2.mul(low, low));
      squares1 = f64x2.add(squares1, f64x2.mul(top, top));
      magnitudes0 = f64x2.add(magnitudes0, f64x2.abs(low));
      magnitudes1 = f64x2.add(magnitudes1, f64x2.abs(top));
    }
    const sums = f64x2.add(sums0, sums1);
    const squares = f64x2.add(squares0, squares1);
    const magnitudes = f64x2.add(magnitudes0, magnitudes1);
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    let square = f64x2.extract_lane(squares, 0) + f64x2.extract_lane(squares, 1);
    let magnitude = f64x2.extract_lane(magnitudes, 0) + f64x2.extract_lane(magnitudes, 1);
    for (; i < length; i++) {
      const value = scalar(input, i, dtype);
      sum += value;
      square += value * value;
      magnitude += Math.abs(value);
    }
    store<f64>(output, sum);
    store<f64>(output + 8, square);
    store<f64>(output + 16, magnitude);
    output += 24;
    input += bytes;
  }
}

/** Sum, sum of squares and sum of magnitudes of each segment, summed in doubles; three f64 a segment. */
export function moments(input: usize, segments: i32, length: i32, dtype: i32, output: usize): void {
  if (dtype == BF16) momentsOf(input, segments, length, BF16, output);
  else if (dtype == F16) momentsOf(input, segments, length, F16, output);
  else momentsOf(input, segments, length, F32, output);
}
