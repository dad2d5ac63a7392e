import type { FloatDtype } from "./weights.ts";

/** Bits of float32's mantissa that a dtype does not have. */
export const droppedBits: Readonly<Record<FloatDtype, number>> = { F32: 0, F16: 13, BF16: 16 };

/** Distance of 1 to the next larger number of a dtype. */
export const epsilon: Readonly<Record<FloatDtype, number>> = { F32: 2 ** -23, F16: 2 ** -10, BF16: 2 ** -7 };

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** `value` as a float32 without the last `drop` bits of its mantissa, rounded to nearest even. Exponents are not limited. */
export function shorten(value: number, drop: number): number {
  float[0] = value;
  if (drop === 0) return float[0];
  const pattern = bits[0] as number;
  bits[0] = (pattern + (1 << (drop - 1)) - 1 + ((pattern >> drop) & 1)) & (-1 << drop);
  return float[0];
}

/** The nearest integer; of two equally near, the even one. */
export function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
