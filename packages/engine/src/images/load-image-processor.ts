import { ConfigError } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { readJson } from "../read-json.ts";
import { imageProcessorFor } from "./processors/image-processor.ts";
import type { ImageProcessor } from "./processors/prepared-image.ts";

/**
 * The image processor of a checkpoint: from `processor_config.json`, where transformers 5 keeps its settings, or else from
 * `preprocessor_config.json`.
 * @param modelConfig the contents of config.json
 * @throws {ConfigError} where there is neither, or what they ask for is not known
 */
export async function loadImageProcessor(
  checkpoint: Pick<Checkpoint, "location" | "readSibling">,
  modelConfig: unknown,
): Promise<ImageProcessor> {
  const together = await readJson(checkpoint, "processor_config.json");
  const own = together?.image_processor ?? (await readJson(checkpoint, "preprocessor_config.json"));
  if (own === undefined) {
    throw new ConfigError(
      `there is no preprocessor_config.json in ${checkpoint.location}: save the model's image processor beside its weights`,
    );
  }
  return imageProcessorFor(own, modelConfig);
}
