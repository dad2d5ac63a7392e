import { Worker } from "node:worker_threads";
import { builtModule } from "./stage.ts";
import { type Task, taskBytes } from "./task.ts";
import { type FromWorker, type ToWorker, unpackError, type WorkerSetup } from "./worker-protocol.ts";

/** Bytes, and tasks, handed to a worker at a time: messages are few, and the last batch is short. */
const BATCH_BYTES = 32 * 1024 * 1024;
const BATCH_TASKS = 512;

export interface PoolOptions {
  readonly workers: number;
  readonly setup: WorkerSetup;
  readonly signal?: AbortSignal | undefined;
  onProgress(bytes: number): void;
}

/**
 * Runs tasks in worker threads, in order, each worker taking the next batch when it has finished one. The first error, or the
 * signal, ends all of them at once.
 */
export async function runInWorkers(tasks: readonly Task[], options: PoolOptions): Promise<void> {
  const { workers: count, signal, onProgress } = options;
  const batches = batchTasks(tasks);
  const workers: Worker[] = [];
  let onAbort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      onAbort = () => reject(signal?.reason);
      signal?.throwIfAborted();
      signal?.addEventListener("abort", onAbort);
      let busy = Math.min(count, batches.length);
      if (busy === 0) resolve();
      let next = 0;
      const giveWork = (worker: Worker) => {
        const batch = batches[next++];
        send(worker, batch === undefined ? { kind: "close" } : { kind: "run", tasks: batch });
        if (batch === undefined && --busy === 0) resolve();
      };
      const url = new URL(builtModule("rewrite-worker", import.meta.url));
      for (let i = busy; i > 0; i--) {
        // Flags of the calling process, such as `--input-type` or a loader, are not for this module.
        const worker = new Worker(url, { execArgv: [], workerData: options.setup });
        workers.push(worker);
        worker.on("error", reject);
        worker.on("message", (message: FromWorker) => {
          if (message.kind === "failed") return reject(unpackError(message.error));
          onProgress(message.bytes);
          if (message.kind === "done") giveWork(worker);
        });
        giveWork(worker);
      }
    });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function send(worker: Worker, message: ToWorker): void {
  worker.postMessage(message);
}

function batchTasks(tasks: readonly Task[]): Task[][] {
  const batches: Task[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const task of tasks) {
    if (bytes >= BATCH_BYTES || (batches.at(-1)?.length ?? 0) >= BATCH_TASKS) {
      batches.push([]);
      bytes = 0;
    }
    batches.at(-1)?.push(task);
    bytes += taskBytes(task);
  }
  return batches;
}
