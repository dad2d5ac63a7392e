import { checkOptions, oneOf, whole } from "@vlmopt/options";
import { toFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeChunks } from "./decode-chunks.ts";
import { floatDtypeRule } from "./float-dtype-rule.ts";
import { integerKernels } from "./integer-kernels.ts";
import { chooseScales, chooseScalesAndZeros, raiseZeros, type ScaleRule } from "./integer-scales.ts";
import { droppedBits } from "./round-float.ts";
import {
  assertFinite,
  assertWholeGroups,
  type FloatDtype,
  sliceWeights,
  storedWeights,
  type Weights,
  weightCount,
} from "./weights.ts";

/** Weights in 4 bits each: `(number − zero) · scale`, with numbers and zeros from 0 to 15. */
export interface Int4Weights {
  /** Weights under one scale, next to each other in a row. */
  readonly groupSize: number;
  readonly count: number;
  /**
   * Uint8 [ceil(count / 2)]: two numbers a byte, the earlier one in the low half; the bytes of compressed-tensors' `weight_packed` (where
   * rows are of whole words) and of MatMulNBits' `B`.
   */
  readonly codes: Uint8Array;
  /** Float32 [count / groupSize], each a number of `scaleDtype`. */
  readonly scales: Float32Array;
  readonly scaleDtype: FloatDtype;
  /** One a group: whole ones as bytes, others as float32, each a number of `scaleDtype`. Without any, 8. */
  readonly zeroPoints?: Uint8Array | Float32Array;
}

export interface Int4Options {
  /** Weights under one scale; a row's length for one scale a row. */
  readonly groupSize: number;
  /** No zero points unless told; `whole` ones, as most formats have, or any (`float`). */
  readonly zeroPoints?: "none" | "whole" | "float";
  /**
   * How scales are found:
   * - `compressed-tensors` (unless told): absmax / 7.5, or the range / 15, bit for bit as that library does
   *   (0.20, `calculate_qparams`, `quantize`), in arithmetic of the weights' own dtype where scales have it too;
   * - `onnxruntime`: the extreme weight over −8, bit for bit as ONNX Runtime quantizes for MatMulNBits; scales may be negative. Without
   *   zero points only;
   * - `search`: of least squared error. Without zero points, scales may be negative;
   * - `hqq`: half-quadratic quantization. With zero points only.
   */
  readonly scales?: ScaleRule;
  /** What scales are rounded to before numbers are chosen; the weights' dtype unless told. */
  readonly scaleDtype?: FloatDtype;
  /** 1 for formats that cannot store whole zero points of 0: groups that would have them, of no negative weights to speak of, get 1. */
  readonly lowestZeroPoint?: 0 | 1;
}

/**
 * Encodes weights in groups as 4-bit integers.
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 * @throws {RangeError} where groups do not divide the weights, or a scale is too large for its dtype
 */
export function encodeInt4(weights: Weights, options: Int4Options): Int4Weights {
  checkOptions(
    "encodeInt4",
    options,
    {
      groupSize: whole(),
      zeroPoints: oneOf(["none", "whole", "float"]),
      scales: oneOf(["compressed-tensors", "onnxruntime", "search", "hqq"]),
      scaleDtype: floatDtypeRule,
      lowestZeroPoint: oneOf([0, 1]),
    },
    ["groupSize"],
  );
  const stored = storedWeights(weights);
  const count = weightCount(stored);
  const {
    groupSize,
    zeroPoints = "none",
    scales: rule = "compressed-tensors",
    scaleDtype = stored.dtype,
    lowestZeroPoint = 0,
  } = options;
  assertWholeGroups(count, groupSize);
  if (rule === "onnxruntime" && zeroPoints !== "none") {
    throw new TypeError(
      `scales by onnxruntime's rule take no ${zeroPoints} zero points: leave those out, or search`,
    );
  }
  if (rule === "hqq" && zeroPoints === "none") {
    throw new TypeError("hqq finds zero points: ask for whole or float ones, or search");
  }
  const codes = new Uint8Array(Math.ceil(count / 2));
  const scales = new Float32Array(count / groupSize);
  const zeros = new Float32Array(scales.length);
  // compressed-tensors computes in the dtype that weights and scales have in common.
  const drop = rule === "compressed-tensors" && scaleDtype === stored.dtype ? droppedBits[stored.dtype] : 0;

  const kernels = integerKernels(groupSize, 4);
  for (let first = 0; first < scales.length; first += kernels.groupsAtOnce) {
    const groups = Math.min(kernels.groupsAtOnce, scales.length - first);
    const begin = first * groupSize;
    const chunk = sliceWeights(stored, begin, begin + groups * groupSize);
    kernels.load(chunk);
    kernels.extremes(groups);
    if (!kernels.magnitude.subarray(0, groups).every(Number.isFinite))
      assertFinite(toFloat32(chunk.bytes, chunk.dtype), begin);
    if (zeroPoints !== "none") chooseScalesAndZeros(kernels, groups, first, rule, zeroPoints, scaleDtype);
    else chooseScales(kernels, groups, first, rule, scaleDtype);
    if (lowestZeroPoint === 1) raiseZeros(kernels, groups, first, scaleDtype);
    if (rule === "onnxruntime") kernels.encode4HalfUp(groups);
    else kernels.encode4(groups, drop);
    scales.set(kernels.scales.subarray(0, groups), first);
    zeros.set(kernels.zeros.subarray(0, groups), first);
    codes.set(kernels.codes.subarray(0, Math.ceil((groups * groupSize) / 2)), begin / 2);
  }
  const encoded = { groupSize, count, codes, scales, scaleDtype };
  if (zeroPoints === "none") return encoded;
  const unsigned = zeros.map((zero) => zero + 8);
  return { ...encoded, zeroPoints: zeroPoints === "whole" ? Uint8Array.from(unsigned) : unsigned };
}

/** The weights as elements of `dtype`: products in float32, rounded to nearest even. */
export function decodeInt4(encoded: Int4Weights, dtype: FloatDtype): Uint8Array {
  const { groupSize, count, codes, scales, zeroPoints } = encoded;
  const table = new Float32Array(16);
  return decodeChunks(count, groupSize, dtype, (weights, first, groups) => {
    for (let group = first; group < first + groups; group++) {
      const scale = scales[group] as number;
      const zero = zeroPoints === undefined ? 8 : (zeroPoints[group] as number);
      for (let number = 0; number < 16; number++) table[number] = Math.fround(number - zero) * scale;
      const start = group * groupSize;
      const output = (group - first) * groupSize;
      // Groups of an odd number of weights start in the middle of a byte.
      for (let i = 0; i < groupSize; i++) {
        const code = (codes[(start + i) >> 1] as number) >> (((start + i) & 1) << 2);
        weights[output + i] = table[code & 15] as number;
      }
    }
  });
}
