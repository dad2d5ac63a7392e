// What needs no files, threads or modules of Node: for browsers, and for those parts of other packages that run there too.
export {
  type Checkpoint,
  readColumns,
  readRows,
  readTensor,
  tensorNamed,
} from "./checkpoint/checkpoint.ts";
export { openFiles } from "./checkpoint/open-files.ts";
export { openSources } from "./checkpoint/open-sources.ts";
export { openUrl } from "./checkpoint/open-url.ts";
export { convert, fromFloat32, toFloat32 } from "./convert/convert.ts";
export { bitsPerElement, byteLengthOf, type Dtype, dtypes, elementCount, isDtype } from "./dtype.ts";
export { CheckpointError, type CheckpointErrorCode, SourceError } from "./errors.ts";
export { MISTAKEN_BYTES, mistakenFile } from "./format/mistaken-file.ts";
export { type ByteSource, memorySource } from "./source/byte-source.ts";
export { type HttpOptions, httpSource } from "./source/http-source.ts";
export type { TensorInfo, TensorSpec } from "./tensor-info.ts";
export { instantiateKernels, type Kernels, reserveMemory } from "./wasm-kernels.ts";
