export * from "./browser.ts";
export { inputPaths } from "./checkpoint/checkpoint.ts";
export { checkpointFingerprint } from "./checkpoint/checkpoint-fingerprint.ts";
export { openCheckpoint } from "./checkpoint/open-checkpoint.ts";
export { SinkError } from "./errors.ts";
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
export { rewriteRules } from "./rewrite/option-rules.ts";
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
export { fileSource } from "./source/file-source.ts";
