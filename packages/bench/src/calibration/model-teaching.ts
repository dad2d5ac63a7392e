import { cacheFolder } from "@vlmopt/datasets";
import {
  type Executor,
  openLayerLessons,
  openLesson,
  ortExecutor,
  type TfjsBackend,
  tfjsExecutor,
} from "@vlmopt/engine";
import type { Teaching } from "@vlmopt/recover";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { fingerprintedItems } from "./calibration-items.ts";
import type { CalibrationSet } from "./calibration-set.ts";

/** What models are trained on. */
export type TrainingExecutor = "ort" | "webgpu" | "tfjs";

export interface TeachingOptions {
  /** What derives gradients; ONNX Runtime on the processor by default, on a graphics card as `webgpu`. */
  readonly executor?: TrainingExecutor | undefined;
  readonly backend?: TfjsBackend | undefined;
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Of answers that models gave and of hashes; below VLMOPT_CACHE, else the user's cache, by default. */
  readonly cache?: string | undefined;
  /** Called while the teacher answers, unless it has before. */
  readonly onAnswers?: ((done: number, total: number) => void) | undefined;
}

/**
 * A student and its teacher, run by the engine, with data that the teacher answers.
 * @param folder of the teacher
 * @throws {BenchError} where the data is not of the models' kind
 */
export async function modelTeaching(
  student: Checkpoint,
  teacher: Checkpoint,
  folder: string,
  set: CalibrationSet,
  {
    executor = "ort",
    backend,
    threads,
    signal,
    cache = cacheFolder("calibration"),
    onAnswers,
  }: TeachingOptions,
): Promise<Teaching> {
  const { items, fingerprint } = await fingerprintedItems(set, teacher, folder, {
    executor: "ort",
    threads,
    signal,
    cache,
    onAnswers,
  });
  const options = { executor: await trainingExecutor(executor, backend, threads), signal };
  return {
    about: { source: set.name, items: items.length },
    fingerprint,
    lesson: (asked) => openLesson(student, teacher, items, { ...asked, ...options }),
    layerLessons: () => openLayerLessons(student, teacher, items, options),
  };
}

async function trainingExecutor(
  name: TrainingExecutor,
  backend: TfjsBackend | undefined,
  threads: number | undefined,
): Promise<Executor> {
  if (name === "tfjs") return tfjsExecutor(backend === undefined ? {} : { backend });
  if (name === "webgpu") return ortExecutor({ activations: "float32", providers: ["webgpu"] });
  return ortExecutor({ activations: "float32", ...(threads === undefined ? {} : { threads }) });
}
