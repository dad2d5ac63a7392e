import { checkOptions, oneOf, whole } from "@vlmopt/options";
import { toFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeChunks } from "./decode-chunks.ts";
import { floatDtypeRule } from "./float-dtype-rule.ts";
import { storableScales } from "./group-scales.ts";
import { integerKernels } from "./integer-kernels.ts";
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

/** Weights in a signed byte each: `number · scale`. */
export interface Int8Weights {
  /** Weights under one scale, next to each other in a row. */
  readonly groupSize: number;
  readonly count: number;
  readonly numbers: Int8Array;
  /** Float32 [count / groupSize], each a number of `scaleDtype`. */
  readonly scales: Float32Array;
  readonly scaleDtype: FloatDtype;
}

export interface Int8Options {
  /** Weights under one scale; a row's length for one scale a row. */
  readonly groupSize: number;
  /**
   * How scales are found: absmax / 127, with numbers from −127 to 127, in float32 arithmetic (unless told); or absmax / 127.5, with
   * numbers from −128, bit for bit as compressed-tensors does (0.20), in arithmetic of the weights' own dtype where scales have it too.
   */
  readonly scales?: "absmax" | "compressed-tensors";
  /** What scales are rounded to before numbers are chosen; the weights' dtype unless told. */
  readonly scaleDtype?: FloatDtype;
}

/**
 * Encodes weights in groups as 8-bit integers.
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 * @throws {RangeError} where groups do not divide the weights
 */
export function encodeInt8(weights: Weights, options: Int8Options): Int8Weights {
  const rules = {
    groupSize: whole(),
    scales: oneOf(["absmax", "compressed-tensors"]),
    scaleDtype: floatDtypeRule,
  };
  checkOptions("encodeInt8", options, rules, ["groupSize"]);
  const stored = storedWeights(weights);
  const count = weightCount(stored);
  const { groupSize, scales: rule = "absmax", scaleDtype = stored.dtype } = options;
  assertWholeGroups(count, groupSize);
  const asCompressedTensors = rule === "compressed-tensors";
  const drop = asCompressedTensors && scaleDtype === stored.dtype ? droppedBits[stored.dtype] : 0;
  const numbers = new Int8Array(count);
  const scales = new Float32Array(count / groupSize);

  const kernels = integerKernels(groupSize, 8);
  for (let first = 0; first < scales.length; first += kernels.groupsAtOnce) {
    const groups = Math.min(kernels.groupsAtOnce, scales.length - first);
    const begin = first * groupSize;
    const end = begin + groups * groupSize;
    const chunk = sliceWeights(stored, begin, end);
    kernels.load(chunk);
    kernels.extremes(groups);
    const largest = kernels.magnitude.subarray(0, groups);
    if (!largest.every(Number.isFinite)) assertFinite(toFloat32(chunk.bytes, chunk.dtype), begin);
    const exact = largest.map((magnitude) => magnitude / (asCompressedTensors ? 127.5 : 127));
    kernels.scales.set(storableScales(scaleDtype, exact, first));
    kernels.zeros.fill(0);
    kernels.encodeBytes(groups, asCompressedTensors ? -128 : -127, drop);
    scales.set(kernels.scales.subarray(0, groups), first);
    numbers.set(new Int8Array(kernels.codes.buffer, kernels.codes.byteOffset, end - begin), begin);
  }
  return { groupSize, count, numbers, scales, scaleDtype };
}

/** The weights as elements of `dtype`: products in float32, rounded to nearest even. */
export function decodeInt8(encoded: Int8Weights, dtype: FloatDtype): Uint8Array {
  const { groupSize, count, numbers, scales } = encoded;
  return decodeChunks(count, groupSize, dtype, (weights, first, groups) => {
    for (let group = 0; group < groups; group++) {
      const scale = scales[first + group] as number;
      const start = (first + group) * groupSize;
      for (let i = 0; i < groupSize; i++)
        weights[group * groupSize + i] = (numbers[start + i] as number) * scale;
    }
  });
}
