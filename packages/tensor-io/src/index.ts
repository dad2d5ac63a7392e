export {
  type Checkpoint,
  readColumns,
  readRows,
  readTensor,
  tensorNamed,
} from "./checkpoint/checkpoint.ts";
export { openCheckpoint, openSources } from "./checkpoint/open-checkpoint.ts";
export { convert, fromFloat32, toFloat32 } from "./convert/convert.ts";
export { bitsPerElement, byteLengthOf, type Dtype, dtypes, elementCount, isDtype } from "./dtype.ts";
export { CheckpointError, type CheckpointErrorCode, SinkError, SourceError } from "./errors.ts";
export {
  cast,
  compose,
  drop,
  rename,
  replace,
  type Selection,
  select,
  type TensorEdit,
  type TensorOutput,
  type Transform,
  transformedSpecs,
} from "./rewrite/edit.ts";
export {
  type RewriteOptions,
  type RewriteProgress,
  type RewriteResult,
  rewriteCheckpoint,
  type TensorLiteral,
  writeCheckpoint,
} from "./rewrite/rewrite-checkpoint.ts";
export {
  fileSink,
  folderSink,
  memorySink,
  type Sink,
  type SinkOptions,
  type SinkSession,
} from "./rewrite/sink.ts";
export { builtModule, type CreateStage, type Stage, type StageReference } from "./rewrite/stage.ts";
export { type ByteSource, memorySource } from "./source/byte-source.ts";
export { fileSource } from "./source/file-source.ts";
export { type HttpOptions, httpSource } from "./source/http-source.ts";
export type { TensorInfo, TensorSpec } from "./tensor-info.ts";
export { instantiateKernels, type Kernels, reserveMemory } from "./wasm-kernels.ts";
