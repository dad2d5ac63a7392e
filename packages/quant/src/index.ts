export * from "./browser.ts";
export { checkCheckpoint, checkLine, type LoaderReport, loaders } from "./check/check-checkpoint.ts";
export type { CheckOptions, Fact, Loader, Problem } from "./check/loader.ts";
export { dequantizeCheckpoint } from "./checkpoint/dequantize-checkpoint.ts";
export { formatStage } from "./checkpoint/format-stage.ts";
export { joinedMagnitudes } from "./checkpoint/joined-magnitudes.ts";
export { loadParts } from "./checkpoint/load-parts.ts";
export {
  planQuantization,
  type QuantizationRequest,
  schemeOfLinear,
} from "./checkpoint/plan-quantization.ts";
export { quantizationCard, quantizationSection } from "./checkpoint/quantization-card.ts";
export type {
  KeptGroup,
  QuantizationPlan,
  QuantizedSize,
  SchemeGroup,
} from "./checkpoint/quantization-plan.ts";
export {
  type EncodedWeight,
  type Quantization,
  type QuantizationOptions,
  type QuantizeOptions,
  type QuantizeResult,
  quantization,
  quantizeCheckpoint,
} from "./checkpoint/quantize-checkpoint.ts";
export {
  candidatesNamed,
  type NamedCandidates,
  type NamedSchemes,
  overrideOf,
  type SchemeOverride,
  schemesNamed,
} from "./checkpoint/scheme-overrides.ts";
export { storedPart } from "./checkpoint/stored-part.ts";
export type { Awq } from "./formats/awq.ts";
export type { Bitsandbytes4Bit } from "./formats/bitsandbytes.ts";
export { type EncodedMatrix, encodeMatrix } from "./formats/encode-matrix.ts";
export type { FloatQuantized } from "./formats/float-quantized.ts";
export type {
  ConfigGroup,
  ConfigSettings,
  Encoding,
  Format,
  FormatConfig,
  IntegerGrid,
  SortedLinears,
} from "./formats/format.ts";
export { formatNamed, schemeNamed, schemeNames } from "./formats/formats.ts";
export type { Gptq } from "./formats/gptq.ts";
export type { IntQuantized } from "./formats/int-quantized.ts";
export type { Mxfp4Packed } from "./formats/mxfp4-packed.ts";
export type { Nvfp4Packed } from "./formats/nvfp4-packed.ts";
export type { PackQuantized } from "./formats/pack-quantized.ts";
export {
  fittingGroups,
  type GroupedScheme,
  groupSizeOf,
  type Preset,
  type Scheme,
} from "./formats/scheme.ts";
export { openCheckpointOrGguf } from "./gguf/open-checkpoint-or-gguf.ts";
export {
  type QuantizeToGgufOptions,
  type QuantizeToGgufResult,
  quantizeToGguf,
} from "./gguf/quantize-to-gguf.ts";
export { fileTypes as ggufFileTypes, type GgufFileType } from "./gguf/tensor-types.ts";
export { type GroupScales, integerLevels, searchIntegerScales } from "./integer-search.ts";
export { decodedIntegers, nearestIntegers } from "./nearest-integers.ts";
export { type WeightedScales, type WeightedScalesRequest, weightedScales } from "./weighted-scales.ts";
