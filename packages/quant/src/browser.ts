// What needs no files, threads or modules of Node: for browsers, and for those parts of other packages that run there too.
export {
  type BlockSize,
  type BlockwiseOptions,
  type BlockwiseWeights,
  blockSizes,
  decodeBlockwise,
  encodeBlockwise,
} from "./blockwise.ts";
export { QuantizationError } from "./checkpoint/quantization-error.ts";
export { quantizedWeights } from "./checkpoint/quantized-weights.ts";
export { readPart, type StoredPart } from "./checkpoint/stored-part.ts";
export { weightCounts } from "./checkpoint/weight-counts.ts";
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
export { blockScalesOf, dequantize, integersOf, packedCodes, widenedBy } from "./formats/dequantize.ts";
export type { Format, FoundTensors, FoundWeight, StoredIntegers } from "./formats/format.ts";
export { formats } from "./formats/formats.ts";
export {
  type IntegerLayout,
  type Layout,
  type LoadedWeight,
  type QuantizedWeight,
  readParts,
} from "./formats/quantized-weight.ts";
export { fp4 } from "./fp4.ts";
export { decodeFp8, encodeFp8, type Fp8Weights } from "./fp8.ts";
export { ggufCheckpoint } from "./gguf/gguf-checkpoint.ts";
export { GgufError } from "./gguf/gguf-error.ts";
export { type GgufHeader, type GgufTensorInfo, readGguf, readGgufTensor } from "./gguf/read-gguf.ts";
export { decodeInt4, encodeInt4, type Int4Options, type Int4Weights } from "./int4.ts";
export { decodeInt8, encodeInt8, type Int8Options, type Int8Weights } from "./int8.ts";
export type { IntegerWeights } from "./integer-weights.ts";
export { decodeMxfp4, encodeMxfp4, type Mxfp4Options, type Mxfp4Weights } from "./mxfp4.ts";
export { nf4 } from "./nf4.ts";
export {
  decodeNvfp4,
  encodeNvfp4,
  type Nvfp4Options,
  type Nvfp4Weights,
  nvfp4GlobalScale,
} from "./nvfp4.ts";
export { type RoundingOptions, roundToNearest } from "./round-to-nearest.ts";
export { type FloatDtype, NonFiniteWeightError, type StoredWeights, type Weights } from "./weights.ts";
