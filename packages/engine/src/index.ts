export type { CacheStep, DeviceTensor, Executor, KvCache, PreparedPass } from "./executors/executor.ts";
export { type OrtOptions, ortExecutor } from "./executors/ort/ort-executor.ts";
export { plainExecutor } from "./executors/plain/plain-executor.ts";
export { type ImageFeatures, loadModel, type Model, type ModelStep } from "./model.ts";
export { type ModelWeights, modelWeights, type StoredWeight } from "./weights/model-weights.ts";
