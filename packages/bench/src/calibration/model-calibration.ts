import type { Calibration } from "@vlmopt/compress";
import { cacheFolder } from "@vlmopt/datasets";
import {
  depthDistances,
  type Executor,
  openCalibrationWalk,
  ortExecutor,
  webgpuExecutor,
} from "@vlmopt/engine";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { fingerprintedItems } from "./calibration-items.ts";
import type { CalibrationSet } from "./calibration-set.ts";

export interface CalibrationOptions {
  /** ONNX Runtime unless told. */
  readonly executor?: "ort" | "webgpu" | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Of answers that models gave and of hashes; below VLMOPT_CACHE, else the user's cache, unless told. */
  readonly cache?: string | undefined;
  /** Called while the dense model answers, unless it has before. */
  readonly onAnswers?: ((done: number, total: number) => void) | undefined;
}

/**
 * A model that reads data while it is compressed, run by the engine.
 * @param folder of the checkpoint
 * @throws {BenchError} where the data is not of the model's kind
 */
export async function modelCalibration(
  source: Checkpoint,
  folder: string,
  set: CalibrationSet,
  {
    executor: name = "ort",
    threads,
    signal,
    cache = cacheFolder("calibration"),
    onAnswers,
  }: CalibrationOptions,
): Promise<Calibration> {
  const { items, fingerprint } = await fingerprintedItems(set, source, folder, {
    executor: name,
    threads,
    signal,
    cache,
    onAnswers,
  });
  const executor = await executorNamed(name, threads);
  const options = { executor, ...(signal === undefined ? {} : { signal }) };
  const about: Record<string, string | number> = { source: set.name, items: items.length };
  return {
    about,
    algebra: executor.linearAlgebra,
    fingerprint,
    async walk(dropped) {
      const walk = await openCalibrationWalk(source, items, { ...options, dropped });
      about.tokens = walk.tokens;
      return walk;
    },
    distances: (span) => depthDistances(source, items, span, options),
  };
}

async function executorNamed(name: "ort" | "webgpu", threads: number | undefined): Promise<Executor> {
  if (name === "webgpu") return webgpuExecutor();
  return ortExecutor({ activations: "float32", ...(threads === undefined ? {} : { threads }) });
}
