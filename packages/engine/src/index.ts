export * from "./anywhere.ts";
export { type CalibrationOptions, calibrate } from "./calibration/calibrate.ts";
export { type OrtOptions, ortExecutor } from "./executors/ort/ort-executor.ts";
export { tfjsExecutor } from "./executors/tfjs/tfjs-in-node.ts";
export { webgpuExecutor } from "./executors/webgpu/webgpu-in-node.ts";
export { type DecodeOptions, decodeImage } from "./images/decode.ts";
export {
  clipEmbedder,
  depthDistances,
  languageScorer,
  loadEncoder,
  loadVlm,
  openCalibrationWalk,
  openLayerLessons,
  openLesson,
} from "./load-in-node.ts";
export { loadModelWith, type VlmOptions } from "./load-model-with.ts";
export type { LayerLessonOptions, LessonOptions } from "./training/open-lesson.ts";
export { saveVisualTokens } from "./visual-tokens/save-visual-tokens.ts";
