import type { Executor } from "../executor.ts";
import type { TensorFlow } from "./tensorflow.ts";
import { executorOn } from "./tfjs-executor.ts";

/**
 * Runs passes on the TensorFlow.js that a page has loaded.
 * @param tf the module `@tensorflow/tfjs`, or `@tensorflow/tfjs-core` with a backend
 * @param options.backend default: the one that TensorFlow.js has chosen
 */
export async function tfjsExecutor(
  tf: object,
  { backend }: { readonly backend?: string | undefined } = {},
): Promise<Executor> {
  const tensorFlow = tf as TensorFlow;
  await tensorFlow.ready();
  return executorOn(tensorFlow, backend ?? tensorFlow.getBackend());
}
