// E2M1 numbers, 0, ½, 1, 1½, 2, 3, 4 and 6 with a sign, in groups whose scales are codes that a table decodes.
//
// Groups hold a multiple of 16 weights.
import { magnitudeBits } from "./_floats";

export { widenBf16, widenF16 } from "./_floats";

/** Bits of each group's largest magnitude, which tell of NaN and infinity. */
export function largest(weights: usize, groups: i32, groupSize: i32, output: usize): void {
  for (let group = 0; group < groups; group++) {
    store<u32>(output, magnitudeBits(weights, groupSize));
    weights += (<usize>groupSize) << 2;
    output += 4;
  }
}

/** Four numbers' codes: how many of the midpoints lie below the magnitude, a magnitude on one going to the even code, and the sign. */
// @ts-ignore: decorator
@inline
function codes4(weights: usize, scale: v128): v128 {
  const quotient = f32x4.div(v128.load(weights), scale);
  const magnitude = f32x4.abs(quotient);
  let code = i32x4.add(f32x4.gt(magnitude, f32x4.splat(0.25)), f32x4.ge(magnitude, f32x4.splat(0.75)));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.splat(1.25)));
  code = i32x4.add(code, f32x4.ge(magnitude, f32x4.splat(1.75)));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.splat(2.5)));
  code = i32x4.add(code, f32x4.ge(magnitude, f32x4.splat(3.5)));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.splat(5)));
  const negative = v128.and(f32x4.lt(quotient, f32x4.splat(0)), i32x4.splat(8));
  return i32x4.sub(negative, code);
}

/** Half a byte for each weight, the earlier one low. `scales`: u8, a code for each group. `table`: what scale each code is. */
export function encode(weights: usize, groups: i32, groupSize: i32, scales: usize, table: usize, codes: usize): void {
  const mask = i16x8.splat(0xff);
  for (let group = 0; group < groups; group++) {
    const scale = v128.load32_splat(table + ((<usize>load<u8>(scales)) << 2));
    for (const end = weights + ((<usize>groupSize) << 2); weights < end; weights += 64) {
      const bytes = i8x16.narrow_i16x8_u(
        i16x8.narrow_i32x4_u(codes4(weights, scale), codes4(weights + 16, scale)),
        i16x8.narrow_i32x4_u(codes4(weights + 32, scale), codes4(weights + 48, scale)),
      );
      const pairs = v128.and(v128.or(bytes, i16x8.shr_u(bytes, 4)), mask);
      v128.store64_lane(codes, i8x16.narrow_i16x8_u(pairs, pairs), 0);
      codes += 8;
    }
    scales += 1;
  }
}

/** The step of the numbers at a midpoint, where the magnitude is past it. */
// @ts-ignore: decorator
@inline
function step(past: v128, size: f32): v128 {
  return v128.and(past, f32x4.splat(size));
}

/** Squared error of one group under a scale. */
// @ts-ignore: decorator
@inline
function squaredError(weights: usize, groupSize: i32, scale: f32): f32 {
  const inverse = f32x4.splat(<f32>1 / scale);
  let sum = f32x4.splat(0);
  for (const end = weights + ((<usize>groupSize) << 2); weights < end; weights += 16) {
    const magnitude = f32x4.mul(f32x4.abs(v128.load(weights)), inverse);
    let value = step(f32x4.gt(magnitude, f32x4.splat(0.25)), 0.5);
    value = f32x4.add(value, step(f32x4.gt(magnitude, f32x4.splat(0.75)), 0.5));
    value = f32x4.add(value, step(f32x4.gt(magnitude, f32x4.splat(1.25)), 0.5));
    value = f32x4.add(value, step(f32x4.gt(magnitude, f32x4.splat(1.75)), 0.5));
    value = f32x4.add(value, step(f32x4.gt(magnitude, f32x4.splat(2.5)), 1));
    value = f32x4.add(value, step(f32x4.gt(magnitude, f32x4.splat(3.5)), 1));
    value = f32x4.add(value, step(f32x4.gt(magnitude, f32x4.splat(5)), 2));
    const error = f32x4.sub(magnitude, value);
    sum = f32x4.add(sum, f32x4.mul(error, error));
  }
  const halves = f32x4.add(sum, v128.shuffle<i32>(sum, sum, 2, 3, 0, 1));
  return (f32x4.extract_lane(halves, 0) + f32x4.extract_lane(halves, 1)) * scale * scale;
}

/** Replaces each group's code by the one of least squared error among those from `below` less to `above` more, inside [first, last]. */
export function search(
  weights: usize,
  groups: i32,
  groupSize: i32,
  scales: usize,
  table: usize,
  below: i32,
  above: i32,
  first: i32,
  last: i32,
): void {
  for (let group = 0; group < groups; group++) {
    const start = <i32>load<u8>(scales);
    let best = start;
    let least = squaredError(weights, groupSize, load<f32>(table + ((<usize>start) << 2)));
    for (let code = max(first, start - below), end = min(last, start + above); code <= end; code++) {
      const error = squaredError(weights, groupSize, load<f32>(table + ((<usize>code) << 2)));
      if (error < least) {
        least = error;
        best = code;
      }
    }
    store<u8>(scales, <u8>best);
    weights += (<usize>groupSize) << 2;
    scales += 1;
  }
}
