import type { Activations, InputStatistics } from "@vlmopt/models";
import { checkOptions, func, object } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { Executor, PreparedPass } from "../executors/executor.ts";
import { ortExecutor } from "../executors/ort/ort-executor.ts";
import { loadVlm } from "../load-in-node.ts";
import { probeRules } from "../option-rules.ts";
import type { Request } from "../prompt-reader.ts";
import { assertFinite, type ProbeOptions } from "./input-statistics.ts";

export interface CalibrationOptions extends ProbeOptions {
  /** ONNX Runtime unless told. */
  readonly executor?: Executor;
  readonly signal?: AbortSignal;
  /** Called after each request with their number so far. */
  readonly onRequest?: (done: number) => void;
}

/**
 * Lets a model read prompts, pictures and all, and watches what goes into its linears.
 * @param path folder of a checkpoint
 * @returns by the name of a linear's weight; linears that take in the same, such as q, k and v, share one object
 * @throws {TypeError} where the executor keeps no statistics
 * @throws {RangeError} where NaN or infinite numbers go into a linear
 */
export async function calibrate(
  path: string | Checkpoint,
  requests: Iterable<Request> | AsyncIterable<Request>,
  options: CalibrationOptions = {},
): Promise<Activations> {
  checkOptions("calibrate", options, { ...probeRules, executor: object, signal: object, onRequest: func });
  const { executor = ortExecutor({ activations: "float32" }), signal, onRequest, ...probes } = options;
  const passes: PreparedPass[] = [];
  const vlm = await loadVlm(path, { executor: probing(executor, probes, passes) });
  try {
    let done = 0;
    for await (const request of requests) {
      signal?.throwIfAborted();
      await vlm.logits(request);
      onRequest?.(++done);
    }
    const all = new Map<string, InputStatistics>();
    for (const { statistics } of passes) {
      for (const [weight, input] of (await statistics?.())?.inputs ?? []) all.set(weight, input);
    }
    assertFinite(all, "calibration");
    return all;
  } finally {
    await vlm.release();
  }
}

/** An executor that keeps statistics of every pass, and account of the passes. */
function probing(executor: Executor, probes: ProbeOptions, passes: PreparedPass[]): Executor {
  return {
    ...executor,
    async prepare(pass, weights) {
      const prepared = await executor.prepare(pass, weights, { probes });
      if (prepared.statistics === undefined) {
        await prepared.release();
        throw new TypeError(`the ${executor.name} executor keeps no statistics: calibrate with another`);
      }
      passes.push(prepared);
      return prepared;
    },
  };
}
