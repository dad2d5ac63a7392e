import type { Stage, TensorSpec } from "@vlmopt/tensor-io";
import type { FloatDtype } from "../weights.ts";
import { decodingStage } from "./dequantize.ts";
import { loadParts } from "./load-parts.ts";
import type { QuantizedWeight } from "./quantized-weight.ts";

export interface DequantizeStageOptions {
  readonly weight: QuantizedWeight;
  /** The dtype that it will have. */
  readonly target: FloatDtype;
}

/** Stage module of dequantization. */
export function createStage(_input: TensorSpec, options: unknown): Stage {
  const { weight, target } = options as DequantizeStageOptions;
  return decodingStage(loadParts(weight), target);
}
