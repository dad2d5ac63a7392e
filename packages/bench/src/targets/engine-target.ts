import { builtModule } from "@vlmopt/tensor-io";
import type { EngineSpec, VisualTokensSpec } from "../recipe/recipe.ts";
import type { FromEngine, ToEngine } from "./engine-protocol.ts";
import { peakFigures } from "./peak-figures.ts";
import type { Target } from "./target.ts";
import { workerProcess } from "./worker-process.ts";

export interface EngineTargetOptions {
  /** That fewer of each picture's tokens go on. */
  readonly visualTokens?: VisualTokensSpec | undefined;
  /** Module that the process runs. */
  readonly worker?: URL | string;
}

/** Runs a checkpoint by `@vlmopt/engine` in a process of its own. */
export function engineTarget(
  model: string,
  engine: EngineSpec,
  { visualTokens, worker = builtModule("engine-worker", import.meta.url) }: EngineTargetOptions = {},
): Target {
  const { pid, ask, close } = workerProcess<ToEngine, FromEngine>(worker, {
    load: "while it loaded",
    answer: "while it answered",
    memory: "while it told of its memory",
  });
  return {
    pid,
    load: async () => (await ask({ kind: "load", model, engine, visualTokens }, "loaded")).milliseconds,
    answer: async (request) => (await ask({ kind: "answer", request }, "answered")).answer,
    peakMemory: async () => peakFigures(await ask({ kind: "memory" }, "memory")),
    close,
  };
}
