import { builtModule } from "@vlmopt/tensor-io";
import type { EngineSpec } from "../recipe/recipe.ts";
import type { FromEngine, ToEngine } from "./engine-protocol.ts";
import { peakFigures } from "./peak-figures.ts";
import type { Target } from "./target.ts";
import { workerProcess } from "./worker-process.ts";

/**
 * Runs a checkpoint by `@vlmopt/engine` in a process of its own.
 * @param worker module that the process runs
 */
export function engineTarget(
  model: string,
  engine: EngineSpec,
  worker = builtModule("engine-worker", import.meta.url),
): Target {
  const { pid, ask, close } = workerProcess<ToEngine, FromEngine>(worker, {
    load: "while it loaded",
    answer: "while it answered",
    memory: "while it told of its memory",
  });
  return {
    pid,
    load: async () => (await ask({ kind: "load", model, engine }, "loaded")).milliseconds,
    answer: async (request) => (await ask({ kind: "answer", request }, "answered")).answer,
    peakMemory: async () => peakFigures(await ask({ kind: "memory" }, "memory")),
    close,
  };
}
