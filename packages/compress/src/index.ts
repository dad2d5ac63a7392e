export { applySavedPlan } from "./apply-saved-plan.ts";
export {
  budgetNamed,
  type ChosenFormats,
  type ChosenLinears,
  defaultCandidates,
  formatCounts,
  type NamedScheme,
  type QuantizationBudget,
} from "./budget/quantization-budget.ts";
export type { BlockReport, Calibration, LinearReport } from "./calibration.ts";
export {
  type Compressed,
  type CompressOptions,
  compressCheckpoint,
  type QuantizeRequest,
  workFolder,
} from "./compress-checkpoint.ts";
export {
  type Compression,
  compressionSchema,
  contradictions,
  needsData,
  pruningTargets,
  scorersOf,
} from "./compression.ts";
export { compressionCard, finalNormSentence } from "./compression-card.ts";
export type { QuantizationMethod, RoundedLinear, RoundingResult } from "./methods/quantization-method.ts";
export {
  defaultQuantizationMethod,
  quantizationMethodNamed,
  quantizationMethodNames,
  quantizationMethods,
} from "./methods/quantization-methods.ts";
export { type CompressionPreview, previewCompression } from "./preview-compression.ts";
export { readModel } from "./read-model.ts";
export { type QuantizationAfter, quantizationAfter } from "./write-compressed.ts";
