import { ConfigError } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { TokenPrompt } from "./generate/generate-tokens.ts";
import { type DecodeImage, type ImageInput, pixelsOf } from "./images/image-input.ts";
import { loadImageProcessor } from "./images/load-image-processor.ts";
import type { Model } from "./model.ts";
import { readJson } from "./read-json.ts";
import { promptTokens, type Question } from "./text/prompt.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

export type Request = Question & { readonly images?: readonly ImageInput[] };

/** A prompt with the milliseconds that its pictures took. */
export interface ReadPrompt {
  readonly prompt: TokenPrompt;
  /** Decoding and preparing them. */
  readonly preprocess: number;
  readonly vision: number;
}

/** Reads requests for a model: its pictures are seen, and its text becomes tokens. */
export async function promptReader(
  checkpoint: Checkpoint,
  tokenizer: Tokenizer,
  { description, forward, see }: Pick<Model, "description" | "forward" | "see">,
  decodeImage: DecodeImage,
): Promise<(request: Request) => Promise<ReadPrompt>> {
  const config = await readJson(checkpoint, "config.json");
  // A model without an image encoder needs no image processor.
  const processor = forward.imageEncoder && (await loadImageProcessor(checkpoint, config));
  const promptModel = { modelType: description.modelType, imageToken: forward.imageToken };
  return async (request) => {
    let started = performance.now();
    const prepared = await Promise.all(
      (request.images ?? []).map(async (image) => {
        if (processor === undefined)
          throw new ConfigError(`a ${description.modelType} sees no pictures: leave them out`);
        return processor(await pixelsOf(image, decodeImage));
      }),
    );
    const preprocess = performance.now() - started;
    started = performance.now();
    const images = [];
    for (const picture of prepared) images.push({ ...picture, features: await see(picture) });
    const vision = performance.now() - started;
    return {
      prompt: { ids: promptTokens(tokenizer, promptModel, request, images), images },
      preprocess,
      vision,
    };
  };
}
