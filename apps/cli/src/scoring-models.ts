import { resolve } from "node:path";
import type { ClipEmbedder, Encoder, LanguageScorer } from "@vlmopt/engine";
import { bertScoreLayer, type EncoderLayer } from "@vlmopt/metrics";

/** A metric asks a model, and none was named. */
export class MissingModelError extends Error {
  override readonly name = "MissingModelError";
  readonly hint: string;

  /** @param model with its article */
  constructor(metric: string, model: string, option: string) {
    super(`${metric} needs ${model}: ${option} <folder>`);
    this.hint = `give one, or leave ${metric} out of --metrics`;
  }
}

/**
 * The encoder that BERTScore asks for token embeddings.
 * @throws {MissingModelError} where none was named
 */
export async function encoderFor(
  folder: string | undefined,
  layer: EncoderLayer | undefined,
): Promise<Encoder> {
  if (folder === undefined) throw new MissingModelError("bertscore", "an encoder", "--encoder");
  const { loadEncoder } = await import("@vlmopt/engine");
  const count = layer === "bert-score" ? bertScoreLayer(resolve(folder)) : layer;
  return loadEncoder(folder, count === undefined ? {} : { layer: count });
}

/**
 * The language model that perplexity asks how likely texts are.
 * @throws {MissingModelError} where none was named
 */
export async function languageModelFor(folder: string | undefined): Promise<LanguageScorer> {
  if (folder === undefined) throw new MissingModelError("perplexity", "a language model", "--language-model");
  const { languageScorer } = await import("@vlmopt/engine");
  return languageScorer(folder);
}

/**
 * The model that CLIPScore asks where pictures and texts lie.
 * @throws {MissingModelError} where none was named
 */
export async function clipFor(folder: string | undefined): Promise<ClipEmbedder> {
  if (folder === undefined) throw new MissingModelError("clipscore", "a CLIP", "--clip");
  const { clipEmbedder } = await import("@vlmopt/engine");
  return clipEmbedder(folder);
}
