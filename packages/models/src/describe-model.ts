import type { TensorSpec } from "@vlmopt/tensor-io";
import type { ConfigReader } from "./config-reader.ts";
import { decoderTypes } from "./decoder.ts";
import { ConfigError, type ModelDescription, ModelMismatchError, type TensorSpecs } from "./description.ts";
import { blip2 } from "./families/blip-2.ts";
import type { Family } from "./families/family.ts";
import { idefics3 } from "./families/idefics3.ts";
import { llava } from "./families/llava.ts";
import { paligemma } from "./families/paligemma.ts";
import { qwenVl } from "./families/qwen-vl.ts";
import { text } from "./families/text.ts";
import { assertNoFurtherLayers, stacksOf } from "./layer-count.ts";
import { readModelConfig } from "./sub-configs.ts";
import { weightList } from "./weight-list.ts";

const families: readonly Family[] = [llava, qwenVl, paligemma, blip2, idefics3, text];

/** Every `model_type` that can be described, sorted. */
export const modelTypes: readonly string[] = families.flatMap((family) => family.modelTypes).sort();

/**
 * Tells what each tensor of a checkpoint is.
 * @param config the contents of config.json
 * @param tensors the checkpoint's tensors by name, e.g. `checkpoint.tensors`
 * @throws {ConfigError} where the configuration cannot be understood; an unknown `model_type` lists the known ones
 * @throws {ModelMismatchError} where it promises tensors that are not there, or other shapes
 */
export function describeModel(config: unknown, tensors: TensorSpecs): ModelDescription {
  const description = describe(readModelConfig(config), tensors);
  const promised = new Set(description.weights.map(({ name }) => name));
  const differences = description.weights.flatMap(({ name, shape }) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) return [`${name} ${shapeText(shape)} is missing`];
    return shapeText(tensor.shape) === shapeText(shape)
      ? []
      : [`${name} has shape ${shapeText(tensor.shape)} instead of ${shapeText(shape)}`];
  });
  if (differences.length > 0) throw new ModelMismatchError(description.modelType, differences);
  for (const [stack, count] of stacksOf(promised))
    assertNoFurtherLayers(tensors, description.modelType, stack, count);
  return { ...description, unknown: [...tensors.keys()].filter((name) => !promised.has(name)) };
}

/**
 * The tensors of a model that has this configuration, under the names of today's hub, without a checkpoint.
 * @param dtype of all of them
 */
export function expectedTensors(config: unknown, dtype: TensorSpec["dtype"] = "BF16"): TensorSpec[] {
  return describe(readModelConfig(config), undefined).weights.map(({ name, shape }) => ({
    name,
    dtype,
    shape,
  }));
}

function describe(config: ConfigReader, tensors: TensorSpecs | undefined): ModelDescription {
  const modelType = config.text("model_type");
  const family = families.find((candidate) => candidate.modelTypes.includes(modelType));
  if (family === undefined && /^llava_(llama|mistral|qwen|mpt)/.test(modelType)) {
    throw new ConfigError(
      `model_type "${modelType}" is the original LLaVA's layout: take the -hf version of the model, or convert it with transformers' convert_llava_weights_to_hf.py`,
    );
  }
  if (family === undefined) {
    throw new ConfigError(`model_type "${modelType}" is not known; known are ${modelTypes.join(", ")}`);
  }
  assertKnownText(config);
  const list = weightList(tensors);
  const { languageModel, visionTower } = family.describe(config, list);
  const { weights, prefixes } = list;
  return { modelType, languageModel, visionTower, prefixes, weights, unknown: [] };
}

function assertKnownText(config: ConfigReader): void {
  const text = config.child("text_config");
  if (!text.has("model_type") || decoderTypes.includes(text.text("model_type"))) return;
  throw new ConfigError(
    `text_config.model_type "${text.text("model_type")}" is not known; known are ${[...decoderTypes].sort().join(", ")}`,
  );
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}
