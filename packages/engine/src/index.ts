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
} from "./load-in-node.ts";
export { loadModelWith, type VlmOptions } from "./load-model-with.ts";
export { saveVisualTokens } from "./visual-tokens/save-visual-tokens.ts";
