import { ConfigError } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { TokenPrompt } from "./generate/generate-tokens.ts";
import { type DecodeImage, type ImageInput, pixelsOf } from "./images/image-input.ts";
import { loadImageProcessor } from "./images/load-image-processor.ts";
import type { Model } from "./model.ts";
import { readJson } from "./read-json.ts";
import { withoutImageMarks } from "./text/image-marks.ts";
import { promptTokens, type Question } from "./text/prompt.ts";
import type { Tokenizer } from "./text/tokenizer.ts";
import { keptPrompt } from "./visual-tokens/kept-prompt.ts";
import { assertTokens, type RelevanceOf } from "./visual-tokens/reduce-picture.ts";
import type { VisualTokenPlan } from "./visual-tokens/visual-tokens.ts";

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
  relevanceOf?: (clip: string, question: string) => RelevanceOf,
): Promise<(request: Request, fewer?: VisualTokenPlan) => Promise<ReadPrompt>> {
  const config = await readJson(checkpoint, "config.json");
  // A model without an image encoder needs no image processor.
  const processor = forward.imageEncoder && (await loadImageProcessor(checkpoint, config));
  const promptModel = { modelType: description.modelType, imageToken: forward.imageToken };
  return async (request, fewer) => {
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
    const relevance = fewer?.clip === undefined ? undefined : relevanceOf?.(fewer.clip, wordsOf(request));
    for (const picture of prepared)
      images.push({ ...picture, features: await see(picture, fewer, relevance) });
    if (fewer?.method.place === "decoder") {
      for (const { features } of images) assertTokens(features.rows, fewer.keep);
    }
    const vision = performance.now() - started;
    // Texts are made for all tokens of pictures, which their marks and places count.
    const whole = images.map((image) => ({
      ...image,
      features: { rows: image.features.reduced?.of ?? image.features.rows },
    }));
    const ids = promptTokens(tokenizer, promptModel, request, whole);
    return {
      prompt: keptPrompt(forward, { ids, images }),
      preprocess,
      vision,
    };
  };
}

/** What is asked, without what was said before. */
function wordsOf(request: Request): string {
  if ("prompt" in request) return withoutImageMarks(request.prompt);
  if ("raw" in request) return request.raw;
  const { content = "" } = request.messages.findLast(({ role }) => role === "user") ?? {};
  if (typeof content === "string") return content;
  return content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join(" ");
}
