export * from "./browser.ts";
export { dequantizeCheckpoint } from "./checkpoint/dequantize-checkpoint.ts";
export { groupNotes } from "./checkpoint/group-notes.ts";
export { joinedMagnitudes } from "./checkpoint/joined-magnitudes.ts";
export { loadPart, loadParts } from "./checkpoint/load-parts.ts";
export { planQuantization, type QuantizationRequest } from "./checkpoint/plan-quantization.ts";
export { quantizationSection } from "./checkpoint/quantization-card.ts";
export type {
  KeptGroup,
  QuantizationPlan,
  QuantizedSize,
  SchemeGroup,
} from "./checkpoint/quantization-plan.ts";
export {
  type Quantization,
  type QuantizationOptions,
  type QuantizeOptions,
  type QuantizeResult,
  quantization,
  quantizeCheckpoint,
} from "./checkpoint/quantize-checkpoint.ts";
export {
  type Bitsandbytes4Bit,
  type E2m1Packed,
  type InputMajor,
  type IntQuantized,
  type Mxfp4Packed,
  type Nvfp4Packed,
  type PackQuantized,
  type Preset,
  type Scheme,
  schemeNamed,
  schemeNames,
} from "./checkpoint/scheme.ts";
export { GgufError } from "./gguf/gguf-error.ts";
export {
  type QuantizeToGgufOptions,
  type QuantizeToGgufResult,
  quantizeToGguf,
} from "./gguf/quantize-to-gguf.ts";
export { type GgufHeader, type GgufTensorInfo, readGguf, readGgufTensor } from "./gguf/read-gguf.ts";
export { fileTypes as ggufFileTypes, type GgufFileType } from "./gguf/tensor-types.ts";
