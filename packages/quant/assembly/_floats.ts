// Ways into and out of F32, four elements at a time, for the kernels of this folder.

/** Widens `count` elements of BF16 at `input`, rounded up to a multiple of 8. */
export function widenBf16(input: usize, output: usize, count: i32): void {
  const zero = i32x4.splat(0);
  for (let i = 0; i < count; i += 8) {
    const bits = v128.load(input);
    v128.store(output, v128.shuffle<i16>(zero, bits, 0, 8, 1, 9, 2, 10, 3, 11));
    v128.store(output, v128.shuffle<i16>(zero, bits, 4, 12, 5, 13, 6, 14, 7, 15), 16);
    input += 16;
    output += 32;
  }
}

/** Widens four F16: exponent and mantissa move into F32's place, and a multiplication mends the bias and the subnormals. */
// @ts-ignore: decorator
@inline
function widenF16Four(bits: v128): v128 {
  const magnitude = v128.and(bits, i32x4.splat(0x7fff));
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(0x8000)), 16);
  const value = f32x4.mul(i32x4.shl(magnitude, 13), f32x4.splat(reinterpret<f32>((254 - 15) << 23)));
  const special = v128.and(i32x4.ge_s(magnitude, i32x4.splat(0x7c00)), i32x4.splat(0x7f800000));
  return v128.or(v128.or(value, special), sign);
}

/** Widens `count` elements of F16 at `input`, rounded up to a multiple of 8. */
export function widenF16(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    v128.store(output, widenF16Four(v128.load_ext<u16>(input)));
    v128.store(output, widenF16Four(v128.load_ext<u16>(input, 8)), 16);
    input += 16;
    output += 32;
  }
}

/** The largest magnitude among `count` F32, a multiple of 4, as bits: NaN and infinity count as larger than every number. */
// @ts-ignore: decorator
@inline
export function magnitudeBits(values: usize, count: i32): u32 {
  const mask = i32x4.splat(0x7fffffff);
  let largest = i32x4.splat(0);
  for (const end = values + ((<usize>count) << 2); values < end; values += 16) {
    largest = i32x4.max_u(largest, v128.and(v128.load(values), mask));
  }
  largest = i32x4.max_u(largest, v128.shuffle<i32>(largest, largest, 2, 3, 0, 1));
  largest = i32x4.max_u(largest, v128.shuffle<i32>(largest, largest, 1, 0, 3, 2));
  return i32x4.extract_lane(largest, 0);
}
