// What loads a model in a browser: from a URL or files, on the visitor's graphics card unless told.
import { checkOptions, func, object } from "@vlmopt/options";
import { type Checkpoint, openUrl } from "@vlmopt/tensor-io/browser";
import { type ClipEmbedder, type ClipEmbedderOptions, embedderFrom } from "./clip/clip-embedder.ts";
import { type Encoder, type EncoderOptions, encoderFrom } from "./encoder.ts";
import type { Executor } from "./executors/executor.ts";
import { webgpuExecutor } from "./executors/webgpu/webgpu-in-browser.ts";
import { decodeImage } from "./images/decode-in-browser.ts";
import { loadModel, type ModelOptions } from "./model.ts";
import { modelRules } from "./option-rules.ts";
import { type LanguageScorer, type LanguageScorerOptions, scorerFrom } from "./perplexity/language-scorer.ts";
import type { Platform } from "./platform.ts";
import { type Vlm, vlmFrom } from "./vlm.ts";

const browser: Platform = { open: openUrl, decodeImage, executor: webgpuExecutor };

export interface VlmOptions extends ModelOptions {
  /** The visitor's graphics card unless told. */
  readonly executor?: Executor;
  /** Is told what the checkpoint asks for and is not done; `console.warn` unless told. */
  readonly onWarning?: (message: string) => void;
}

/**
 * Loads a model with its tokenizer and its image processor, as they lie in a folder.
 * @param location URL of that folder, which may be relative to the page and ends in `/`, or the files themselves, opened by `openFiles`
 * @throws {ConfigError | ModelMismatchError | TokenizerError | CheckpointError} where something is missing or not understood
 * @throws {NoGpuError} where no executor is given and there is no graphics card
 */
export async function loadVlm(location: string | Checkpoint, options: VlmOptions = {}): Promise<Vlm> {
  checkOptions("loadVlm", options, { ...modelRules, executor: object, onWarning: func });
  const { executor, onWarning, ...modelOptions } = options;
  return vlmFrom(
    browser,
    location,
    async (checkpoint) => loadModel(checkpoint, executor ?? (await browser.executor()), modelOptions),
    onWarning,
  );
}

/**
 * Loads a BERT, RoBERTa, DistilBERT or one of their kin, with its tokenizer.
 * @param location URL of a folder, or a checkpoint
 * @throws {ConfigError | TokenizerError | CheckpointError} where something is missing or not understood
 * @throws {RangeError} where it has fewer layers
 */
export function loadEncoder(location: string | Checkpoint, options?: EncoderOptions): Promise<Encoder> {
  return encoderFrom(browser, location, options);
}

/**
 * Loads a CLIP with its tokenizer and its image processor.
 * @param location URL of a folder, or a checkpoint
 * @throws {ConfigError | TokenizerError | CheckpointError} where something is missing or not understood
 */
export function clipEmbedder(
  location: string | Checkpoint,
  options?: ClipEmbedderOptions,
): Promise<ClipEmbedder> {
  return embedderFrom(browser, location, options);
}

/**
 * Loads GPT-2, or any decoder that `loadModel` knows, with its tokenizer.
 * @param location URL of a folder, or a checkpoint
 * @throws {ConfigError | TokenizerError | CheckpointError} where something is missing or not understood
 */
export function languageScorer(
  location: string | Checkpoint,
  options?: LanguageScorerOptions,
): Promise<LanguageScorer> {
  return scorerFrom(browser, location, options);
}
