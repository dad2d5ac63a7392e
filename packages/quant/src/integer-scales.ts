// How groups of integers are scaled, from what the kernels have seen of them.
import { rangeScales, roundedTo, storableScales } from "./group-scales.ts";
import { hqqScaleAndZero } from "./hqq.ts";
import type { IntegerKernels } from "./integer-kernels.ts";
import type { FloatDtype } from "./weights.ts";

/** See `Int4Options`. */
export type ScaleRule = "compressed-tensors" | "onnxruntime" | "search" | "hqq";

/** Puts scales for numbers from −2^(bits − 1) to 2^(bits − 1) − 1 into the kernels. */
export function chooseScales(
  kernels: IntegerKernels,
  groups: number,
  first: number,
  rule: ScaleRule,
  scaleDtype: FloatDtype,
): void {
  const { lowest, highest, magnitude, bits } = kernels;
  const half = 2 ** (bits - 1);
  const scales = kernels.scales.subarray(0, groups);
  if (rule === "compressed-tensors") {
    const exact = magnitude.subarray(0, groups).map((largest) => largest / (half - 0.5));
    scales.set(storableScales(scaleDtype, exact, first));
    return;
  }
  for (let group = 0; group < groups; group++) {
    const low = lowest[group] as number;
    const high = highest[group] as number;
    scales[group] = (high > -low ? high : low) / -half;
  }
  if (rule === "onnxruntime") scales.set(roundedTo(scaleDtype, scales));
  else {
    kernels.searchScales(groups);
    scales.set(storableScales(scaleDtype, scales, first));
  }
}

/** Puts scales, and zeros from −2^(bits − 1) to 2^(bits − 1) − 1, into the kernels. */
export function chooseScalesAndZeros(
  kernels: IntegerKernels,
  groups: number,
  first: number,
  rule: ScaleRule,
  zeroPoints: "whole" | "float",
  scaleDtype: FloatDtype,
): void {
  const most = 2 ** kernels.bits - 1;
  const half = 2 ** (kernels.bits - 1);
  const lowest = kernels.lowest.subarray(0, groups);
  const highest = kernels.highest.subarray(0, groups);
  const scales = kernels.scales.subarray(0, groups);
  const zeros = kernels.zeros.subarray(0, groups);
  if (rule === "compressed-tensors" && zeroPoints === "whole") {
    const found = rangeScales(scaleDtype, lowest, highest, first, kernels.bits);
    scales.set(found.scales);
    zeros.set(found.zeros);
    return;
  }
  const whole = zeroPoints === "whole";
  if (rule === "hqq") {
    const { groupSize } = kernels;
    for (let group = 0; group < groups; group++) {
      const weights = kernels.weights.subarray(group * groupSize, (group + 1) * groupSize);
      const found = hqqScaleAndZero(weights, lowest[group] as number, highest[group] as number, whole, most);
      scales[group] = found.scale;
      zeros[group] = found.zero;
    }
  } else {
    for (let group = 0; group < groups; group++) {
      const low = Math.min(lowest[group] as number, 0);
      const scale = (Math.max(highest[group] as number, 0) - low) / most;
      scales[group] = scale;
      zeros[group] = rule === "search" ? low : scale === 0 ? 0 : -low / scale;
    }
    if (rule === "search") kernels.searchScalesAndZeros(groups, whole);
  }
  scales.set(storableScales(scaleDtype, scales, first));
  zeros.set(roundedTo(scaleDtype, zeros).map((zero) => zero - half));
}

/** Gives groups whose zero is the lowest number the next one, and the scale that has their largest weight reach the end all the same. */
export function raiseZeros(
  { highest, scales, zeros, bits }: IntegerKernels,
  groups: number,
  first: number,
  scaleDtype: FloatDtype,
): void {
  const half = 2 ** (bits - 1);
  for (let group = 0; group < groups; group++) {
    if (zeros[group] !== -half) continue;
    zeros[group] = 1 - half;
    const scale = Float32Array.of(Math.max(highest[group] as number, 0) / (2 * half - 2));
    scales.set(storableScales(scaleDtype, scale, first + group), group);
  }
}
