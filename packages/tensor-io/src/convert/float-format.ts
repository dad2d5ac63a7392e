import type { Dtype } from "../dtype.ts";

/** A binary floating-point format of at most 16 bits: sign, exponent, mantissa. */
export interface FloatFormat {
  readonly bits: number;
  readonly mantissaBits: number;
  readonly bias: number;
  /** Pattern of the largest finite number. */
  readonly largest: number;
  /** Pattern of +infinity; undefined where the format has none and what overflows becomes the largest number. */
  readonly infinity: number | undefined;
  /** Pattern that NaN becomes. */
  readonly nan: number;
}

/** IEEE 754 binary16, bfloat16, and the 8-bit floats of Micikevicius et al. 2022 (arXiv:2209.05433). */
export const floatFormats = {
  F16: { bits: 16, mantissaBits: 10, bias: 15, largest: 0x7bff, infinity: 0x7c00, nan: 0x7e00 },
  BF16: { bits: 16, mantissaBits: 7, bias: 127, largest: 0x7f7f, infinity: 0x7f80, nan: 0x7fc0 },
  F8_E5M2: { bits: 8, mantissaBits: 2, bias: 15, largest: 0x7b, infinity: 0x7c, nan: 0x7f },
  F8_E4M3: { bits: 8, mantissaBits: 3, bias: 7, largest: 0x7e, infinity: undefined, nan: 0x7f },
} as const satisfies Partial<Record<Dtype, FloatFormat>>;

export type NarrowFloat = keyof typeof floatFormats;

/** The number that a pattern stands for. */
export function decodeFloat(pattern: number, format: FloatFormat): number {
  const sign = pattern >> (format.bits - 1) === 0 ? 1 : -1;
  const magnitude = pattern & ((1 << (format.bits - 1)) - 1);
  if (magnitude > format.largest)
    return magnitude === format.infinity ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const exponent = magnitude >> format.mantissaBits;
  const mantissa = magnitude & ((1 << format.mantissaBits) - 1);
  return exponent === 0
    ? sign * mantissa * 2 ** (1 - format.bias - format.mantissaBits)
    : sign * (mantissa + (1 << format.mantissaBits)) * 2 ** (exponent - format.bias - format.mantissaBits);
}

/** The pattern nearest to a number; of two equally near, the even one. */
export function encodeFloat(value: number, format: FloatFormat): number {
  const sign = value < 0 || Object.is(value, -0) ? 1 << (format.bits - 1) : 0;
  if (Number.isNaN(value)) return format.nan;
  const magnitude = Math.abs(value);
  const smallestNormal = 2 ** (1 - format.bias);
  const exponent = magnitude < smallestNormal ? 1 - format.bias : Math.floor(Math.log2(magnitude));
  // Math.log2 may round up to the next power of two.
  const binade = magnitude < smallestNormal || 2 ** exponent <= magnitude ? exponent : exponent - 1;
  const steps = roundHalfEven(magnitude / 2 ** (binade - format.mantissaBits));
  const pattern = steps + ((binade + format.bias - 1) << format.mantissaBits);
  if (magnitude === Number.POSITIVE_INFINITY || pattern > format.largest)
    return sign | (format.infinity ?? format.largest);
  return sign | pattern;
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}
