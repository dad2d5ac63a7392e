import { checkOptions } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { ExecutorName } from "./executor-names.ts";
import type { Executor } from "./executors/executor.ts";
import { type OrtOptions, ortExecutor } from "./executors/ort/ort-executor.ts";
import { plainExecutor } from "./executors/plain/plain-executor.ts";
import { tfjsExecutor } from "./executors/tfjs/tfjs-in-node.ts";
import { NoGpuError } from "./executors/webgpu/webgpu-device.ts";
import { webgpuExecutor } from "./executors/webgpu/webgpu-in-node.ts";
import { loadModel, type Model, type ModelOptions } from "./model.ts";
import { executorRule, modelRules, ortRules } from "./option-rules.ts";

export interface VlmOptions extends OrtOptions, ModelOptions {
  /** Is told what the checkpoint asks for and is not done; `console.warn` unless told. */
  readonly onWarning?: (message: string) => void;
  /**
   * ONNX Runtime unless told; `webgpu` needs a graphics card; `auto` takes that where there is a real one whose memory suffices, else
   * ONNX Runtime; `tfjs` needs TensorFlow.js, of which it takes the fastest backend; `plain` is for checking.
   */
  readonly executor?: ExecutorName | Executor;
}

/**
 * Takes a model in by the executor that options name.
 * @throws {ConfigError | ModelMismatchError} as `loadModel`
 * @throws {NoGpuError} where `webgpu` finds no graphics card
 * @throws {Error} where `tfjs` finds no TensorFlow.js
 */
export async function loadModelWith(
  checkpoint: Checkpoint,
  options: Omit<VlmOptions, "onWarning"> = {},
): Promise<Model> {
  checkOptions("loadModelWith", options, {
    ...ortRules,
    ...modelRules,
    executor: executorRule,
  });
  const { executor = "ort", visualTokens, ...ortOptions } = options;
  const asked = visualTokens === undefined ? {} : { visualTokens };
  if (typeof executor !== "string") return loadModel(checkpoint, executor, asked);
  if (executor === "plain") return loadModel(checkpoint, plainExecutor(), asked);
  if (executor === "tfjs") return loadModel(checkpoint, await tfjsExecutor(), asked);
  if (executor === "webgpu") return loadModel(checkpoint, await webgpuExecutor(), asked);
  if (executor === "auto") {
    try {
      return await loadModel(checkpoint, await webgpuExecutor({ software: false }), asked);
    } catch (error) {
      if (!(error instanceof NoGpuError)) throw error;
    }
  }
  return loadModel(checkpoint, ortExecutor(ortOptions), asked);
}
