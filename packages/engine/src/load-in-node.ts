// What loads a model in Node: from a folder, with ONNX Runtime unless told.

import type { CalibrationWalk, LayerLessons, Lesson } from "@vlmopt/models";
import { checkOptions, func } from "@vlmopt/options";
import { openCheckpointOrGguf } from "@vlmopt/quant";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { CalibrationData } from "./calibration/calibration-data.ts";
import { type CalibrationWalkOptions, calibrationWalkFrom } from "./calibration/calibration-walk.ts";
import { depthDistancesFrom } from "./calibration/depth-distances.ts";
import type { StreamOptions } from "./calibration/open-streams.ts";
import { type ClipEmbedder, type ClipEmbedderOptions, embedderFrom } from "./clip/clip-embedder.ts";
import { type Encoder, type EncoderOptions, encoderFrom } from "./encoder.ts";
import { ortExecutor } from "./executors/ort/ort-executor.ts";
import { decodeImage } from "./images/decode.ts";
import { loadModelWith, type VlmOptions } from "./load-model-with.ts";
import { executorRule, modelRules, ortRules } from "./option-rules.ts";
import { type LanguageScorer, type LanguageScorerOptions, scorerFrom } from "./perplexity/language-scorer.ts";
import type { Platform } from "./platform.ts";
import {
  type LayerLessonOptions,
  type LessonOptions,
  layerLessonsFrom,
  lessonFrom,
} from "./training/open-lesson.ts";
import { type Vlm, vlmFrom } from "./vlm.ts";

const node: Platform = {
  open: openCheckpointOrGguf,
  decodeImage,
  executor: async () => ortExecutor({ activations: "float32" }),
};

/**
 * Loads a model with its tokenizer and its image processor, as they lie in a folder.
 * @param path folder of a checkpoint
 * @throws {ConfigError | ModelMismatchError | TokenizerError | CheckpointError} where something is missing or not understood
 */
export async function loadVlm(path: string | Checkpoint, options: VlmOptions = {}): Promise<Vlm> {
  checkOptions("loadVlm", options, {
    ...ortRules,
    ...modelRules,
    executor: executorRule,
    onWarning: func,
  });
  const { onWarning, ...loading } = options;
  return vlmFrom(node, path, (checkpoint) => loadModelWith(checkpoint, loading), onWarning);
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

/**
 * Opens a model with data, to be read block by block while the model is compressed. One item of eight, sixteen at most, is held out for losses and errors, where
 * there are eight; where there are not, those fitted to serve.
 * @param path folder of a checkpoint
 * @throws {RangeError} where there is no data, or a layer that is to be dropped is not there
 * @throws {ConfigError | ModelMismatchError | TokenizerError | CheckpointError} where something is missing or not understood
 */
export function openCalibrationWalk(
  path: string | Checkpoint,
  data: CalibrationData,
  options?: CalibrationWalkOptions,
): Promise<CalibrationWalk> {
  return calibrationWalkFrom(node, path, data, options);
}

/**
 * How little runs of layers change the residual stream (arXiv:2403.17887). The first items are read that have some 8,192 tokens together.
 * @param path folder of a checkpoint
 * @param span layers of a run
 * @returns of each layer that begins a run, in order: the mean over tokens of 1 − cosine between the stream before it and behind the run
 * @throws {RangeError} where the model has fewer layers
 */
export function depthDistances(
  path: string | Checkpoint,
  data: CalibrationData,
  span: number,
  options?: StreamOptions,
): Promise<Float64Array> {
  return depthDistancesFrom(node, path, data, span, options);
}

/**
 * Opens a student that learns to answer as its teacher does: see `recoverCheckpoint` of @vlmopt/recover.
 * @throws {ConfigError} where the two do not belong together, or the student's weights are quantized
 * @throws {RangeError} where data has nothing to learn
 */
export function openLesson(
  student: Checkpoint,
  teacher: Checkpoint,
  data: CalibrationData,
  options?: LessonOptions,
): Promise<Lesson> {
  return lessonFrom(node, student, teacher, data, options);
}

/**
 * Opens a student whose layers learn, one after the other, what the teacher's give for the same input.
 * @throws {ConfigError} where the two do not belong together or do not have the same layers, or weights are quantized
 * @throws {RangeError} where data has nothing to learn
 */
export function openLayerLessons(
  student: Checkpoint,
  teacher: Checkpoint,
  data: CalibrationData,
  options?: LayerLessonOptions,
): Promise<LayerLessons> {
  return layerLessonsFrom(node, student, teacher, data, options);
}
