// What products x·Wᵀ have in common, for few tokens or many.
import type { GpuContext } from "../webgpu-device.ts";
import { MAP, type MapName } from "./activation.ts";
import { type WeightFormat, weightBuffers } from "./weight-format.ts";

/** A product x·Wᵀ, and what is done around it. */
export interface LinearOptions {
  readonly format: WeightFormat;
  /** Numbers of a row of W. */
  readonly k: number;
  readonly bias: boolean;
  readonly activation: MapName;
  /** The result is added to another value. */
  readonly residual: boolean;
}

/** What dispatches of a product give a shader. */
export const linearParams = {
  m: "u32",
  n: "u32",
  xOffset: "u32",
  xStride: "u32",
  outOffset: "u32",
  outStride: "u32",
  residualOffset: "u32",
  residualStride: "u32",
} as const;

/** The buffers that a product reads. */
export function linearReads(
  gpu: GpuContext,
  { format, bias, residual }: LinearOptions,
): Record<string, string> {
  return {
    x: "array<f32>",
    ...weightBuffers(gpu, format),
    ...(bias ? { bias: "array<f32>" } : {}),
    ...(residual ? { residual: "array<f32>" } : {}),
  };
}

/** WGSL: what becomes of `value`, the product of token m and output n. */
export function finishProduct({ bias, residual }: LinearOptions): string {
  return `value = ${MAP}(value${bias ? " + bias[n]" : ""});
    ${residual ? "value += residual[p.residualOffset + m * p.residualStride + n];" : ""}`;
}
