import type { ForwardPass } from "@vlmopt/models";
import type { ModelWeights } from "../weights/model-weights.ts";
import type { Executor } from "./executor.ts";

/**
 * Runs a small pass, to see whether an executor works on this machine.
 * @throws whatever it throws, and where its numbers are wrong
 */
export async function tryExecutor(executor: Executor): Promise<void> {
  const pass: ForwardPass = {
    inputs: { x: { dtype: "F32", shape: [1, 1, 4] } },
    run: (ops, inputs) => {
      const x = inputs.x as NonNullable<typeof inputs.x>;
      return { y: ops.add(x, x) };
    },
  };
  const weights: Pick<ModelWeights, "specs"> = { specs: new Map() };
  const prepared = await executor.prepare(pass, weights as ModelWeights);
  try {
    const { y } = await prepared.run({ x: { shape: [1, 1, 4], data: Float32Array.of(1, 2, 3, 4) } });
    const doubled = [...((await y?.read()) ?? [])];
    if (doubled.join() !== "2,4,6,8") throw new Error(`twice 1, 2, 3, 4 is [${doubled}] to it`);
  } finally {
    await prepared.release();
  }
}
