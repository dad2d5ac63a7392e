// What works on a page: models on the visitor's graphics card. Bundled into one file with all that it needs of other packages.
export type { DeviceTensor, Executor, KvCache } from "./executors/executor.ts";
export { plainExecutor } from "./executors/plain/plain-executor.ts";
export { type GpuOptions, NoGpuError } from "./executors/webgpu/webgpu-device.ts";
export { webgpuExecutor } from "./executors/webgpu/webgpu-executor.ts";
export { filesCheckpoint } from "./files-checkpoint.ts";
export type { SamplingOptions } from "./generate/sample.ts";
export type { RgbImage } from "./images/rgb-image.ts";
export type { VlmOptions } from "./load-model-with.ts";
export type { Question } from "./text/prompt.ts";
export {
  type Answer,
  type GenerateOptions,
  loadVlm,
  type Request,
  type Timings,
  type Vlm,
} from "./vlm.ts";
