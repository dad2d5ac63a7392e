import { anything, checkOptions, oneOf } from "@vlmopt/options";
import { decodeE2m1, type E2m1Weights, encodeE2m1, type GroupScaling } from "./e2m1.ts";
import type { FloatDtype, Weights } from "./weights.ts";

/** Weights under one scale, next to each other in a row. */
export const MXFP4_GROUP_SIZE = 32;

/** OCP Microscaling Formats 1.0: E2M1 numbers in groups of 32, times a power of two, whose exponent plus 127 is its code. */
export type Mxfp4Weights = E2m1Weights;

export interface Mxfp4Options {
  /**
   * How the scales of groups are found: the largest weight's power of two over 4 (unless told), bit for bit as compressed-tensors does in
   * float32 (0.20, `generate_mx_scales`, `quantize`), or the ones of least squared error.
   */
  readonly scales?: "compressed-tensors" | "search";
  /** Of each column, how much an error there counts in the search; weights are whole rows of as many. */
  readonly importance?: Float32Array | undefined;
}

/**
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 * @throws {RangeError} where groups do not divide the weights
 */
export function encodeMxfp4(weights: Weights, options: Mxfp4Options = {}): Mxfp4Weights {
  checkOptions("encodeMxfp4", options, {
    scales: oneOf(["compressed-tensors", "search"]),
    importance: anything,
  });
  return encodeE2m1(weights, scaling, options.scales === "search", options.importance);
}

export function decodeMxfp4(encoded: Mxfp4Weights, dtype: FloatDtype): Uint8Array {
  return decodeE2m1(encoded, scaling, dtype);
}

const scaling: GroupScaling = {
  groupSize: MXFP4_GROUP_SIZE,
  // 255 is NaN.
  table: Float32Array.from({ length: 256 }, (_, code) => (code === 255 ? Number.NaN : 2 ** (code - 127))),
  codesFor(largest) {
    // A largest weight that would round to 8 gets the next power: a quarter of the mantissa's range carries into the exponent.
    const bits = new Uint32Array(largest.slice().buffer);
    return Uint8Array.from(bits, (pattern) => Math.max(0, ((pattern + (1 << 21)) >>> 23) - 2));
  },
  candidates: { below: 1, above: 1, first: 1, last: 254 },
};
