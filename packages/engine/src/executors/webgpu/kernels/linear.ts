// What products x·Wᵀ have in common, for few tokens or many.
import { MAP, type MapName } from "./activation.ts";
import { type WeightFormat, weightBuffers } from "./weight-format.ts";

/** What is done around the product x·Wᵀ. */
export interface LinearOptions {
  readonly format: WeightFormat;
  readonly bias: boolean;
  readonly activation: MapName;
  /** The result is added to another value. */
  readonly residual: boolean;
}

/** What dispatches of a product give a shader. */
export const linearParams = {
  m: "u32",
  n: "u32",
  k: "u32",
  rowWords: "u32",
  rowGroups: "u32",
  groupSize: "u32",
  xOffset: "u32",
  xStride: "u32",
  outOffset: "u32",
  outStride: "u32",
  residualOffset: "u32",
  residualStride: "u32",
} as const;

/** The buffers that a product reads. */
export function linearReads({ format, bias, residual }: LinearOptions): Record<string, string> {
  return {
    x: "array<f32>",
    ...weightBuffers(format),
    ...(bias ? { bias: "array<f32>" } : {}),
    ...(residual ? { residual: "array<f32>" } : {}),
  };
}

/** WGSL: the index of the scale of a word's numbers within its row. */
export function groupOfWord({ groupSize, values }: WeightFormat): string {
  return groupSize === undefined ? "0u" : `(word * ${values}u) / p.groupSize`;
}

/** WGSL statements that store `value`, the product of token m and output n. */
export function storeProduct({ bias, residual }: LinearOptions): string {
  return `
    value = ${MAP}(value${bias ? " + bias[n]" : ""});
    ${residual ? "value += residual[p.residualOffset + m * p.residualStride + n];" : ""}
    out[p.outOffset + m * p.outStride + n] = value;`;
}
