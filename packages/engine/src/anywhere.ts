// What is the same in Node and in browsers.
export type { CalibrationData, CalibrationItem } from "./calibration/calibration-data.ts";
export type { CalibrationWalkOptions } from "./calibration/calibration-walk.ts";
export type { PassStatistics, ProbeOptions } from "./calibration/input-statistics.ts";
export { madePicture } from "./calibration/made-pictures.ts";
export type { StreamOptions } from "./calibration/open-streams.ts";
export {
  type AnswerOptions,
  answerRequests,
  type OwnAnswerOptions,
  ownAnswers,
} from "./calibration/own-answers.ts";
export type { ClipEmbedder, ClipEmbedderOptions } from "./clip/clip-embedder.ts";
export type { EncodedText, Encoder, EncoderOptions } from "./encoder.ts";
export {
  type ExecutorName,
  executorNames,
  type TfjsBackend,
  type TfjsOptions,
  tfjsBackends,
} from "./executor-names.ts";
export type {
  CacheStep,
  DeviceTensor,
  Executor,
  KvCache,
  PreparedPass,
  PrepareOptions,
  TokenChoice,
  TokenChooser,
} from "./executors/executor.ts";
export { plainExecutor } from "./executors/plain/plain-executor.ts";
export { tryExecutor } from "./executors/try-executor.ts";
export { type GpuOptions, NoGpuError } from "./executors/webgpu/webgpu-device.ts";
export {
  generateTokens,
  type TokenAnswer,
  type TokenOptions,
  type TokenPrompt,
  type TokenTimings,
} from "./generate/generate-tokens.ts";
export type { SamplingOptions } from "./generate/sample.ts";
export type { ImageFeatures } from "./image-features.ts";
export type { ImageInput } from "./images/image-input.ts";
export {
  type Filter,
  ImageError,
  type ImageErrorCode,
  type ImageProcessor,
  imageProcessorFor,
  loadImageProcessor,
  type PreparedImage,
  type RgbImage,
  resize,
} from "./images/index.ts";
export { loadModel, type Model, type ModelStep } from "./model.ts";
export { generateRules, ortRules } from "./option-rules.ts";
export type { LanguageScorer, LanguageScorerOptions } from "./perplexity/language-scorer.ts";
export type { Request } from "./prompt-reader.ts";
export { withoutImageMarks } from "./text/image-marks.ts";
export type { Message, MessagePart } from "./text/message.ts";
export type { Question } from "./text/prompt.ts";
export { loadTokenizer, type Tokenizer } from "./text/tokenizer.ts";
export { TokenizerError } from "./text/tokenizer-error.ts";
export { keptPrompt } from "./visual-tokens/kept-prompt.ts";
export { visualTokenMethodNames, visualTokenMethods } from "./visual-tokens/methods.ts";
export { type PictureView, pictureView } from "./visual-tokens/picture-view.ts";
export type { TokenReduction } from "./visual-tokens/reduce-picture.ts";
export { SETTINGS_FILE } from "./visual-tokens/saved-visual-tokens.ts";
export {
  type VisualTokenPlan,
  type VisualTokens,
  visualTokenPlan,
  visualTokenRules,
} from "./visual-tokens/visual-tokens.ts";
export type { Answer, GenerateOptions, Timings, Vlm } from "./vlm.ts";
export { type ModelWeights, modelWeights, type StoredWeight } from "./weights/model-weights.ts";
