import { Worker } from "node:worker_threads";
import { builtModule } from "@vlmopt/tensor-io";
import type { CholeskyTiles, FailedPivot } from "./cholesky.ts";
import type { FromWorker, ToWorker } from "./linear-algebra-worker.ts";

/** A request for a part of the result, with the buffers to hand over. */
export interface RowRequest {
  readonly message: ToWorker;
  readonly transfer: ArrayBuffer[];
}

/**
 * Worker threads that answer requests, each taking the next when it has finished one.
 * @param tiles shared, which all threads factorize first
 * @param onAnswer takes what request `index` asked for
 */
export async function runThreads(
  tiles: CholeskyTiles | undefined,
  threads: number,
  requests: { readonly count: number; make(index: number): RowRequest },
  onAnswer: (index: number, answer: FromWorker) => void,
): Promise<FailedPivot | undefined> {
  const url = new URL(builtModule("linear-algebra-worker", import.meta.url));
  // Flags of the calling process, such as `--input-type` or a loader, are not for this module.
  const workers = Array.from({ length: threads }, () => new Worker(url, { execArgv: [], workerData: tiles }));
  try {
    const factorized =
      tiles === undefined
        ? []
        : await Promise.all(workers.map((worker) => ask(worker, { kind: "factorize" })));
    for (const answer of factorized) {
      if (answer.kind === "factorized" && answer.failed !== undefined) return answer.failed;
    }
    let next = 0;
    await Promise.all(
      workers.map(async (worker) => {
        while (next < requests.count) {
          const index = next++;
          const { message, transfer } = requests.make(index);
          onAnswer(index, await ask(worker, message, transfer));
        }
      }),
    );
    return undefined;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, message: ToWorker, transfer: ArrayBuffer[] = []): Promise<FromWorker> {
  return new Promise((resolve, reject) => {
    const settle = () => {
      worker.off("message", onMessage);
      worker.off("error", onError);
    };
    const onMessage = (answer: FromWorker) => {
      settle();
      resolve(answer);
    };
    const onError = (error: Error) => {
      settle();
      reject(error);
    };
    worker.on("message", onMessage);
    worker.on("error", onError);
    worker.postMessage(message, transfer);
  });
}
