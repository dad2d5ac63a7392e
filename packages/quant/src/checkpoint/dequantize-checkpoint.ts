import { editConfig } from "@vlmopt/models";
import { anything, checkOptions } from "@vlmopt/options";
import {
  builtModule,
  type Checkpoint,
  drop,
  type RewriteOptions,
  type RewriteResult,
  rewriteCheckpoint,
  rewriteRules,
  type Sink,
} from "@vlmopt/tensor-io";
import { floatDtypeRule } from "../float-dtype-rule.ts";
import type { Format } from "../formats/format.ts";
import { formats } from "../formats/formats.ts";
import type { FloatDtype } from "../weights.ts";
import type { FormatStageOptions } from "./format-stage.ts";
import { dequantizationCard, modelName } from "./quantization-card.ts";
import { QuantizationError } from "./quantization-error.ts";
import { quantizedWeights } from "./quantized-weights.ts";

export interface DequantizeOptions extends RewriteOptions {
  readonly dtype?: FloatDtype;
  /** `[...formats, yours]`, where there are others than vlmopt's. */
  readonly formats?: readonly Format[];
}

/**
 * Writes the weights of a checkpoint of compressed-tensors (`pack-quantized` of 4 bits, `int-quantized`, NVFP4, MXFP4), bitsandbytes (4 bits), GPTQ or
 * AWQ (4 bits), ours or those libraries', as plain ones of the dtype that they had, or of `options.dtype`; config.json loses its
 * `quantization_config`, and the folder the plan by which it was quantized; a model card (README.md) is written.
 * @throws {QuantizationError} where nothing of the kind is there, or a weight lacks its tensors
 */
export async function dequantizeCheckpoint(
  source: Checkpoint,
  sink: Sink | string,
  options: DequantizeOptions = {},
): Promise<RewriteResult> {
  checkOptions("dequantizeCheckpoint", options, {
    ...rewriteRules,
    dtype: floatDtypeRule,
    formats: anything,
  });
  const { formats: among = formats, ...rewriting } = options;
  const { dtype } = rewriting;
  const weights = await quantizedWeights(source, among);
  if (weights.size === 0) {
    throw new QuantizationError(`${source.location} holds no weights of a format that can be dequantized`);
  }
  const parts = new Set([...weights.values()].flatMap(({ parts: names }) => names));
  const module = builtModule("format-stage", import.meta.url);
  const bytes = await source.readSibling("config.json");
  const text = new TextDecoder().decode(bytes);
  const config =
    bytes === undefined ? {} : { "config.json": editConfig(text, [{ path: ["quantization_config"] }]) };
  return rewriteCheckpoint(
    source,
    (tensor) => {
      if (parts.has(tensor.name)) return drop();
      const found = weights.get(tensor.name);
      if (found === undefined) return undefined;
      const { weight, name, format } = found;
      const { shape } = weight;
      const stageOptions: FormatStageOptions = { weight, target: dtype ?? weight.dtype };
      return {
        stage: { module: format.module ?? module, options: stageOptions },
        outputs: [{ name, dtype: dtype ?? weight.dtype, shape }],
      };
    },
    sink,
    {
      refuseNonFinite: true,
      ...rewriting,
      files: {
        "README.md": dequantizationCard(modelName(source)),
        "quantization.json": null,
        ...config,
        ...options.files,
      },
    },
  );
}
