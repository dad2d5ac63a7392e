import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { epsilon, roundHalfEven } from "./round-float.ts";
import type { FloatDtype } from "./weights.ts";

/** Numbers as a file will hold them: rounded to `dtype`, still float32. */
export function roundedTo(dtype: FloatDtype, values: Float32Array): Float32Array {
  return dtype === "F32" ? values : toFloat32(fromFloat32(values, dtype), dtype);
}

/**
 * Scales as they will be stored, none of them 0: those become `dtype`'s epsilon, as in compressed-tensors.
 * @param first index of the first group, for the message
 * @throws {RangeError} where one is too large for `dtype`
 */
export function storableScales(dtype: FloatDtype, scales: Float32Array, first: number): Float32Array {
  const rounded = roundedTo(dtype, scales);
  for (const [group, scale] of rounded.entries()) {
    if (scale === 0) rounded[group] = epsilon[dtype];
    if (Number.isFinite(scale)) continue;
    throw new RangeError(
      `the scale of group ${first + group} is ${scales[group]}, too large for ${dtype}: store scales as BF16 or F32`,
    );
  }
  return rounded;
}

export interface ScalesAndZeros {
  readonly scales: Float32Array;
  readonly zeros: Float32Array;
}

/**
 * compressed-tensors' `calculate_qparams` (0.20) for asymmetric integers, every step rounded to `dtype`: scale = range / (2^bits − 1), and
 * the whole zero point that puts the lowest weight on the lowest number, −2^(bits − 1). Ranges contain 0.
 */
export function rangeScales(
  dtype: FloatDtype,
  lowest: Float32Array,
  highest: Float32Array,
  first: number,
  bits: number,
): ScalesAndZeros {
  const half = 2 ** (bits - 1);
  const low = lowest.map((weight) => Math.min(weight, 0));
  const range = roundedTo(
    dtype,
    low.map((weight, group) => Math.max(highest[group] as number, 0) - weight),
  );
  const exact = roundedTo(
    dtype,
    range.map((width) => width / (2 * half - 1)),
  );
  const steps = roundedTo(
    dtype,
    low.map((weight, group) => weight / (exact[group] as number)),
  );
  const zeros = roundedTo(
    dtype,
    steps.map((step) => -half - step),
  ).map((zero) => (Number.isNaN(zero) ? 0 : roundHalfEven(Math.max(-half, Math.min(half - 1, zero)))));
  return { scales: storableScales(dtype, exact, first), zeros };
}
