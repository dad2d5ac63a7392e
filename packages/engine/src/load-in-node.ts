// What loads a model in Node: from a folder, with ONNX Runtime unless told.
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { type ClipEmbedder, type ClipEmbedderOptions, embedderFrom } from "./clip/clip-embedder.ts";
import { type Encoder, type EncoderOptions, encoderFrom } from "./encoder.ts";
import { ortExecutor } from "./executors/ort/ort-executor.ts";
import { decodeImage } from "./images/decode.ts";
import { loadModelWith, type VlmOptions } from "./load-model-with.ts";
import { type LanguageScorer, type LanguageScorerOptions, scorerFrom } from "./perplexity/language-scorer.ts";
import type { Platform } from "./platform.ts";
import { type Vlm, vlmFrom } from "./vlm.ts";

const node: Platform = {
  open: openCheckpoint,
  decodeImage,
  executor: async () => ortExecutor({ activations: "float32" }),
};

/**
 * Loads a model with its tokenizer and its image processor, as they lie in a folder.
 * @param path folder of a checkpoint
 * @throws {ConfigError | ModelMismatchError | TokenizerError | CheckpointError} where something is missing or not understood
 */
export function loadVlm(path: string | Checkpoint, options: VlmOptions = {}): Promise<Vlm> {
  return vlmFrom(node, path, (checkpoint) => loadModelWith(checkpoint, options));
}

/**
 * Loads a BERT, RoBERTa, DistilBERT or one of their kin, with its tokenizer.
 * @param path folder of a checkpoint
 * @throws {ConfigError | TokenizerError | CheckpointError} where something is missing or not understood
 * @throws {RangeError} where it has fewer layers
 */
export function loadEncoder(path: string | Checkpoint, options?: EncoderOptions): Promise<Encoder> {
  return encoderFrom(node, path, options);
}

/**
 * Loads a CLIP with its tokenizer and its image processor.
 * @param path folder of a checkpoint
 * @throws {ConfigError | TokenizerError | CheckpointError} where something is missing or not understood
 */
export function clipEmbedder(
  path: string | Checkpoint,
  options?: ClipEmbedderOptions,
): Promise<ClipEmbedder> {
  return embedderFrom(node, path, options);
}

/**
 * Loads GPT-2, or any decoder that `loadModel` knows, with its tokenizer.
 * @param path folder of a checkpoint
 * @throws {ConfigError | TokenizerError | CheckpointError} where something is missing or not understood
 */
export function languageScorer(
  path: string | Checkpoint,
  options?: LanguageScorerOptions,
): Promise<LanguageScorer> {
  return scorerFrom(node, path, options);
}
