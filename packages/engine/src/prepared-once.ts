import type { ForwardPass } from "@vlmopt/models";
import type { Executor, PreparedPass } from "./executors/executor.ts";
import type { ModelWeights } from "./weights/model-weights.ts";

/** Passes of one model, each prepared when it is first asked for. */
export interface PreparedOnce {
  (pass: ForwardPass): Promise<PreparedPass>;
  release(): Promise<void>;
}

export function preparedOnce(executor: Executor, weights: ModelWeights): PreparedOnce {
  const prepared = new Map<ForwardPass, Promise<PreparedPass>>();
  const prepare = (pass: ForwardPass) => {
    const found = prepared.get(pass) ?? executor.prepare(pass, weights);
    prepared.set(pass, found);
    return found;
  };
  return Object.assign(prepare, {
    async release() {
      for (const pass of prepared.values()) await (await pass).release();
    },
  });
}
