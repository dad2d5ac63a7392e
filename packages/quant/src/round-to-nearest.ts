import { toFloat32 } from "@vlmopt/tensor-io/browser";
import { storableScales } from "./group-scales.ts";
import { integerKernels } from "./integer-kernels.ts";
import { chooseScales, chooseScalesAndZeros, raiseZeros, type ScaleRule } from "./integer-scales.ts";
import type { IntegerWeights } from "./integer-weights.ts";
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

export interface RoundingOptions {
  readonly bits: IntegerWeights["bits"];
  /** Weights of a row under one scale. */
  readonly groupSize: number;
  /** Whole ones; without, zero is in the middle. */
  readonly zeroPoints?: boolean;
  /**
   * As compressed-tensors does unless told; see `Int4Options`. Of 8 bits there is no search: absmax / 127, with numbers from −127 on
   * (`absmax`), serves as well.
   */
  readonly scales?: ScaleRule | "absmax";
  /** What scales are rounded to before numbers are chosen; the weights' dtype unless told. */
  readonly scaleDtype?: FloatDtype;
  /** See `Int4Options`. */
  readonly lowestZeroPoint?: 0 | 1;
}

/**
 * A matrix rounded to nearest, group by group.
 * @param columns of a row
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 * @throws {RangeError} where groups do not divide rows, or a scale is too large for its dtype
 */
export function roundToNearest(weights: Weights, columns: number, options: RoundingOptions): IntegerWeights {
  const stored = storedWeights(weights);
  const count = weightCount(stored);
  const { bits, groupSize, zeroPoints = false, lowestZeroPoint = 0, scaleDtype = stored.dtype } = options;
  assertWholeGroups(columns, groupSize);
  const rule = ruleFor(options);
  const half = 2 ** (bits - 1);
  const codes = new Uint8Array(count);
  const scales = new Float32Array(count / groupSize);
  const zeros = new Uint8Array(zeroPoints ? scales.length : 0);
  // compressed-tensors computes in the dtype that weights and scales have in common.
  const drop = rule === "compressed-tensors" && scaleDtype === stored.dtype ? droppedBits[stored.dtype] : 0;

  const kernels = integerKernels(groupSize, bits);
  for (let first = 0; first < scales.length; first += kernels.groupsAtOnce) {
    const groups = Math.min(kernels.groupsAtOnce, scales.length - first);
    const [begin, end] = [first * groupSize, (first + groups) * groupSize];
    const chunk = sliceWeights(stored, begin, end);
    kernels.load(chunk);
    kernels.extremes(groups);
    const largest = kernels.magnitude.subarray(0, groups);
    if (!largest.every(Number.isFinite)) assertFinite(toFloat32(chunk.bytes, chunk.dtype), begin);
    if (zeroPoints) chooseScalesAndZeros(kernels, groups, first, rule as ScaleRule, "whole", scaleDtype);
    else {
      kernels.zeros.fill(0);
      if (rule === "absmax")
        kernels.scales.set(
          storableScales(
            scaleDtype,
            largest.map((most) => most / (half - 1)),
            first,
          ),
        );
      else chooseScales(kernels, groups, first, rule, scaleDtype);
    }
    if (lowestZeroPoint === 1) raiseZeros(kernels, groups, first, scaleDtype);
    kernels.encodeBytes(groups, rule === "absmax" ? 1 - half : -half, drop);
    scales.set(kernels.scales.subarray(0, groups), first);
    codes.set(kernels.codes.subarray(0, end - begin), begin);
    for (let group = 0; zeroPoints && group < groups; group++)
      zeros[first + group] = (kernels.zeros[group] as number) + half;
  }
  moveUp(codes, half);
  const matrix = { bits, rows: count / columns, columns, groupSize, codes, scales };
  return zeroPoints ? { ...matrix, zeroPoints: zeros } : matrix;
}

/** Adds `half` to signed bytes, four at a time: what they carry would spoil the next one, so that their highest bits are added apart. */
function moveUp(codes: Uint8Array, half: number): void {
  const words = new Uint32Array(codes.buffer, 0, codes.length >> 2);
  const halves = (half & 0x7f) * 0x01010101;
  const top = half === 128 ? 0x80808080 : 0;
  for (let i = 0; i < words.length; i++) {
    const four = words[i] as number;
    words[i] = ((four & 0x7f7f7f7f) + halves) ^ (four & 0x80808080) ^ top;
  }
  for (let i = codes.length & ~3; i < codes.length; i++) codes[i] = (codes[i] as number) + half;
}

function ruleFor({ bits, scales = "compressed-tensors", zeroPoints }: RoundingOptions): ScaleRule | "absmax" {
  if (scales === "onnxruntime")
    throw new TypeError("rounding to nearest has no scales by onnxruntime's rule: see encodeInt4");
  if (scales === "hqq" && !zeroPoints) throw new TypeError("hqq finds zero points: ask for them, or search");
  if (scales === "absmax" || (bits === 8 && scales === "search"))
    return zeroPoints ? "compressed-tensors" : "absmax";
  return scales;
}
