import {
  either,
  finite,
  flag,
  func,
  listOf,
  name,
  object,
  oneOf,
  type Rules,
  text,
  threads,
  whole,
} from "@vlmopt/options";
import type { CalibrationWalkOptions } from "./calibration/calibration-walk.ts";
import type { ProbeOptions } from "./calibration/input-statistics.ts";
import type { OwnAnswerOptions } from "./calibration/own-answers.ts";
import { executorNames, type TfjsOptions, tfjsBackends } from "./executor-names.ts";
import type { OrtOptions } from "./executors/ort/ort-executor.ts";
import type { GpuOptions } from "./executors/webgpu/webgpu-device.ts";
import type { SamplingOptions } from "./generate/sample.ts";
import type { ModelOptions } from "./model.ts";
import type { Message } from "./text/message.ts";
import type { LessonOptions } from "./training/open-lesson.ts";
import type { GenerateOptions } from "./vlm.ts";

// What options of the engine may be. Recipes and commands ask the same rules.

/** Of the Mersenne twister, which has 32 bits of it. */
const seed = whole({ from: 0, to: 2 ** 32 - 1 });

export const samplingRules: Rules<SamplingOptions> = {
  temperature: finite({ from: 0 }),
  topP: finite({ above: 0, to: 1 }),
  topK: whole({ endless: true }),
  seed,
};

/** What they hold is asked where they are read. */
const visualTokensRule = either(flag, object);

export const generateRules: Rules<GenerateOptions> = {
  ...samplingRules,
  maxNewTokens: whole(),
  minNewTokens: whole({ from: 0 }),
  repetitionPenalty: finite({ above: 0 }),
  stop: listOf(name),
  visualTokens: visualTokensRule,
  signal: object,
  onText: func,
};

export const modelRules: Rules<ModelOptions> = { visualTokens: visualTokensRule };

export const ortRules: Rules<OrtOptions> = {
  threads,
  providers: listOf(name, { least: 1 }),
  activations: oneOf(["int8", "float32"]),
};

export const gpuRules: Rules<GpuOptions> = { f16: flag, software: flag, timed: flag };

export const executorRule = either(oneOf(executorNames), object);

export const tfjsRules: Rules<TfjsOptions> = { backend: oneOf(tfjsBackends) };

/** Of an encoder, a CLIP or a language model. */
export const towerRules = { name: text, executor: object };

const image = either(name, object);

/** A question: one of the first three, which hold what is asked, and pictures. */
export const requestRules = {
  prompt: text,
  messages: listOf(object, { least: 1 }),
  raw: text,
  images: listOf(image),
};

export const messageRules: Rules<Message> = {
  role: oneOf(["system", "user", "assistant"]),
  content: either(text, listOf(object)),
};

export const probeRules: Rules<ProbeOptions> = { gram: either(flag, listOf(name)) };

export const walkRules: Rules<CalibrationWalkOptions> = {
  executor: object,
  maxTokens: whole({ endless: true }),
  enoughTokens: whole({ endless: true }),
  signal: object,
  dropped: listOf(whole({ from: 0 })),
};

export const lessonRules: Rules<LessonOptions> = {
  executor: object,
  lowRank: object,
  projector: flag,
  temperature: finite({ above: 0 }),
  hiddenWeight: finite({ from: 0 }),
  rowTokens: whole(),
  signal: object,
};

export const ownAnswerRules: Rules<OwnAnswerOptions> = {
  count: whole(),
  tokens: whole(),
  seed,
  signal: object,
  onAnswers: func,
};
