import { ConfigError } from "@vlmopt/models";
import { idefics3Processor } from "./idefics3.ts";
import { llavaNextProcessor } from "./llava-next.ts";
import { oneTileProcessor } from "./one-tile.ts";
import type { ImageProcessor } from "./prepared-image.ts";
import { type Json, type ProcessorSettings, processorSettings } from "./processor-settings.ts";
import { qwenVlProcessor } from "./qwen-vl.ts";

const clipMean = [0.48145466, 0.4578275, 0.40821073];
const clipDeviation = [0.26862954, 0.26130258, 0.27577711];
const steps = { do_resize: true, do_rescale: true, rescale_factor: 1 / 255, do_normalize: true, resample: 3 };
const clipSteps = { ...steps, image_mean: clipMean, image_std: clipDeviation };
const halfSteps = { ...steps, image_mean: 0.5, image_std: 0.5 };
const clip = {
  ...clipSteps,
  size: { shortest_edge: 224 },
  do_center_crop: true,
  crop_size: { height: 224, width: 224 },
};
const idefics3 = {
  ...halfSteps,
  resample: 1,
  size: { longest_edge: 4 * 364 },
  max_image_size: { longest_edge: 364 },
  do_image_splitting: true,
};

interface ProcessorClass {
  readonly create: (settings: ProcessorSettings) => ImageProcessor;
  readonly defaults: Json;
}

/** Classes of transformers, with their defaults. */
const classes: Readonly<Record<string, ProcessorClass>> = {
  CLIP: { create: oneTileProcessor, defaults: clip },
  Llava: { create: oneTileProcessor, defaults: clip },
  Siglip: { create: oneTileProcessor, defaults: { ...halfSteps, size: { height: 224, width: 224 } } },
  ViT: {
    create: oneTileProcessor,
    defaults: { ...halfSteps, resample: 2, size: { height: 224, width: 224 }, default_to_square: true },
  },
  Blip: {
    create: oneTileProcessor,
    defaults: { ...clipSteps, size: { height: 384, width: 384 }, default_to_square: true },
  },
  LlavaNext: {
    create: llavaNextProcessor,
    defaults: {
      ...clip,
      image_grid_pinpoints: [
        [336, 672],
        [672, 336],
        [672, 672],
        [1008, 336],
        [336, 1008],
      ],
    },
  },
  Qwen2VL: {
    create: qwenVlProcessor,
    defaults: {
      ...clipSteps,
      size: { shortest_edge: 56 * 56, longest_edge: 28 * 28 * 1280 },
      patch_size: 14,
      temporal_patch_size: 2,
      merge_size: 2,
    },
  },
  Idefics3: { create: idefics3Processor, defaults: idefics3 },
  SmolVLM: { create: idefics3Processor, defaults: idefics3 },
};

/** Classes of models whose preprocessor_config.json names none. */
const classOfModel: Readonly<Record<string, string>> = {
  llava: "CLIP",
  llava_next: "LlavaNext",
  qwen2_vl: "Qwen2VL",
  qwen2_5_vl: "Qwen2VL",
  qwen3_vl: "Qwen2VL",
  paligemma: "Siglip",
  "blip-2": "Blip",
  idefics3: "Idefics3",
  smolvlm: "SmolVLM",
};

/**
 * @param preprocessorConfig the contents of preprocessor_config.json
 * @param modelConfig the contents of config.json, which helps where the other names no class
 * @throws {ConfigError} where it is of a class that is not known, or its numbers make no sense
 */
export function imageProcessorFor(preprocessorConfig: unknown, modelConfig?: unknown): ImageProcessor {
  const config = objectOf(preprocessorConfig);
  const type = config.image_processor_type ?? config.feature_extractor_type;
  const modelType = objectOf(modelConfig ?? {}).model_type;
  const name =
    typeof type === "string"
      ? type.replace(/(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/, "")
      : classOfModel[String(modelType)];
  const found = name === undefined ? undefined : classes[name];
  if (found === undefined) {
    const known = Object.keys(classes).join(", ");
    throw new ConfigError(
      `preprocessor_config.json is of ${JSON.stringify(type ?? modelType ?? null)}; known are ImageProcessors of ${known}`,
    );
  }
  const { create, defaults } = found;
  return create(processorSettings(config, defaults));
}

function objectOf(value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json;
  throw new ConfigError("preprocessor_config.json is not an object");
}
