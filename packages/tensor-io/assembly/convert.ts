// Conversions between F32 and the narrower floats, eight or sixteen elements at a time.
//
// Every narrow format is sign, exponent, mantissa like F32 itself, so one routine serves all of them:
// - widening moves exponent and mantissa into F32's place and multiplies by a power of two, which mends the exponent's bias
//   and normalises subnormals in the same step;
// - narrowing rounds to nearest even by adding half a unit (less one, plus the bit that would become the last), and lets the
//   adder of a float addition do the rounding where the result is subnormal.
//
// `count` may be anything; the arrays must have room for `count` rounded up to 16 elements.

/** Widens four patterns, each in the low bits of its 32-bit lane. `infinity`: the narrow pattern from which all is special. */
// @ts-ignore: decorator
@inline
function widen(bits: v128, width: i32, mantissa: i32, bias: i32, infinity: i32): v128 {
  const signBit = 1 << (width - 1);
  const magnitude = v128.and(bits, i32x4.splat(signBit - 1));
  const sign = i32x4.shl(v128.and(bits, i32x4.splat(signBit)), 32 - width);
  const scale = f32x4.splat(reinterpret<f32>((254 - bias) << 23));
  const value = f32x4.mul(i32x4.shl(magnitude, 23 - mantissa), scale);
  const special = v128.and(i32x4.ge_s(magnitude, i32x4.splat(infinity)), i32x4.splat(0x7f800000));
  return v128.or(v128.or(value, special), sign);
}

/**
 * Rounds four F32 to a narrow format, the pattern in the low bits of each lane.
 * `overflow`: F32 bits from which the result is `infinity`, or what stands for it; `nan`: the pattern of NaN.
 */
// @ts-ignore: decorator
@inline
function narrow(
  bits: v128,
  width: i32,
  mantissa: i32,
  bias: i32,
  overflow: i32,
  infinity: i32,
  nan: i32,
): v128 {
  const drop = 23 - mantissa;
  const magnitude = v128.and(bits, i32x4.splat(0x7fffffff));
  const sign = i32x4.shr_u(v128.and(bits, i32x4.splat(0x80000000)), 32 - width);

  const odd = v128.and(i32x4.shr_u(magnitude, drop), i32x4.splat(1));
  const half = i32x4.splat((1 << (drop - 1)) - 1 - ((127 - bias) << 23));
  const normal = i32x4.shr_u(i32x4.add(i32x4.add(magnitude, half), odd), drop);

  // Adding a number whose last place is the smallest subnormal leaves the rounded count of subnormals in its low bits.
  const magic = (127 - bias + 23 - mantissa + 1) << 23;
  const subnormal = i32x4.sub(f32x4.add(magnitude, f32x4.splat(reinterpret<f32>(magic))), i32x4.splat(magic));

  const isSubnormal = i32x4.lt_s(magnitude, i32x4.splat((128 - bias) << 23));
  let result = v128.bitselect(subnormal, normal, isSubnormal);
  result = v128.bitselect(i32x4.splat(infinity), result, i32x4.ge_s(magnitude, i32x4.splat(overflow)));
  result = v128.bitselect(i32x4.splat(nan), result, i32x4.gt_s(magnitude, i32x4.splat(0x7f800000)));
  return v128.or(result, sign);
}

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

export function widenF16(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    v128.store(output, widen(v128.load_ext<u16>(input), 16, 10, 15, 0x7c00));
    v128.store(output, widen(v128.load_ext<u16>(input, 8), 16, 10, 15, 0x7c00), 16);
    input += 16;
    output += 32;
  }
}

export function widenF8E5M2(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    const bits = v128.load_ext<u8>(input);
    v128.store(output, widen(i32x4.extend_low_i16x8_u(bits), 8, 2, 15, 0x7c));
    v128.store(output, widen(i32x4.extend_high_i16x8_u(bits), 8, 2, 15, 0x7c), 16);
    input += 8;
    output += 32;
  }
}

export function widenF8E4M3(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    const bits = v128.load_ext<u8>(input);
    v128.store(output, widen(i32x4.extend_low_i16x8_u(bits), 8, 3, 7, 0x7f));
    v128.store(output, widen(i32x4.extend_high_i16x8_u(bits), 8, 3, 7, 0x7f), 16);
    input += 8;
    output += 32;
  }
}

/** BF16 has F32's exponent, so nothing overflows or becomes subnormal on the way. */
// @ts-ignore: decorator
@inline
function narrowBf16Four(bits: v128): v128 {
  const odd = v128.and(i32x4.shr_u(bits, 16), i32x4.splat(1));
  const rounded = i32x4.shr_u(i32x4.add(i32x4.add(bits, i32x4.splat(0x7fff)), odd), 16);
  const quiet = v128.or(i32x4.shr_u(bits, 16), i32x4.splat(0x40));
  const nan = i32x4.gt_s(v128.and(bits, i32x4.splat(0x7fffffff)), i32x4.splat(0x7f800000));
  return v128.bitselect(quiet, rounded, nan);
}

export function narrowBf16(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    const low = narrowBf16Four(v128.load(input));
    const high = narrowBf16Four(v128.load(input, 16));
    v128.store(output, i16x8.narrow_i32x4_u(low, high));
    input += 32;
    output += 16;
  }
}

export function narrowF16(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 8) {
    const low = narrow(v128.load(input), 16, 10, 15, 0x47800000, 0x7c00, 0x7e00);
    const high = narrow(v128.load(input, 16), 16, 10, 15, 0x47800000, 0x7c00, 0x7e00);
    v128.store(output, i16x8.narrow_i32x4_u(low, high));
    input += 32;
    output += 16;
  }
}

// @ts-ignore: decorator
@inline
function narrow16(input: usize, output: usize, mantissa: i32, bias: i32, overflow: i32, infinity: i32): void {
  const a = narrow(v128.load(input), 8, mantissa, bias, overflow, infinity, 0x7f);
  const b = narrow(v128.load(input, 16), 8, mantissa, bias, overflow, infinity, 0x7f);
  const c = narrow(v128.load(input, 32), 8, mantissa, bias, overflow, infinity, 0x7f);
  const d = narrow(v128.load(input, 48), 8, mantissa, bias, overflow, infinity, 0x7f);
  v128.store(output, i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_u(a, b), i16x8.narrow_i32x4_u(c, d)));
}

export function narrowF8E5M2(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 16) {
    narrow16(input, output, 2, 15, 0x47800000, 0x7c);
    input += 64;
    output += 16;
  }
}

/** E4M3 has no infinity: what is larger than its largest number, 448, becomes that. */
export function narrowF8E4M3(input: usize, output: usize, count: i32): void {
  for (let i = 0; i < count; i += 16) {
    narrow16(input, output, 3, 7, 0x43e00000, 0x7e);
    input += 64;
    output += 16;
  }
}
