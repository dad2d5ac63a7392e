export {
  type BlockSize,
  type BlockwiseOptions,
  type BlockwiseWeights,
  blockSizes,
  decodeBlockwise,
  encodeBlockwise,
} from "./blockwise.ts";
export {
  dequantizeCheckpoint,
  type FoundWeight,
  quantizedWeights,
} from "./checkpoint/dequantize-checkpoint.ts";
export { absmaxOf, dequantize, type QuantizedWeight, zeroPointsOf } from "./checkpoint/dequantize-stage.ts";
export { joinedMagnitudes } from "./checkpoint/joined-magnitudes.ts";
export {
  planQuantization,
  QuantizationError,
  type QuantizationRequest,
} from "./checkpoint/plan-quantization.ts";
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
export { loadPart, type StoredPart } from "./checkpoint/stored-part.ts";
export type { Codebook } from "./codebook.ts";
export {
  dequantizeScales,
  dynamicMap,
  encodeNestedBlockwise,
  type NestedBlockwiseWeights,
  type NestedScales,
  quantizeScales,
  unnested,
} from "./double-quantization.ts";
export { fp4 } from "./fp4.ts";
export { GgufError } from "./gguf/gguf-error.ts";
export {
  type QuantizeToGgufOptions,
  type QuantizeToGgufResult,
  quantizeToGguf,
} from "./gguf/quantize-to-gguf.ts";
export { type GgufHeader, type GgufTensorInfo, readGguf, readGgufTensor } from "./gguf/read-gguf.ts";
export { fileTypes as ggufFileTypes, type GgufFileType } from "./gguf/tensor-types.ts";
export { decodeInt4, encodeInt4, type Int4Options, type Int4Weights } from "./int4.ts";
export { decodeInt8, encodeInt8, type Int8Options, type Int8Weights } from "./int8.ts";
export { decodeMxfp4, encodeMxfp4, type Mxfp4Options, type Mxfp4Weights } from "./mxfp4.ts";
export { nf4 } from "./nf4.ts";
export {
  decodeNvfp4,
  encodeNvfp4,
  type Nvfp4Options,
  type Nvfp4Weights,
  nvfp4GlobalScale,
} from "./nvfp4.ts";
export { type FloatDtype, NonFiniteWeightError, type StoredWeights, type Weights } from "./weights.ts";
