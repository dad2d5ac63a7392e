import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { SourceError } from "../errors.ts";
import { reasonOf } from "../source/file-source.ts";
import { asSinkError } from "./sink.ts";
import { runTask, type Task } from "./task.ts";
import { type FromWorker, packError, type ToWorker, type WorkerSetup } from "./worker-protocol.ts";

/** Progress is worth a message every so many bytes. */
const REPORT_BYTES = 16 * 1024 * 1024;

/** Files stay open for the worker's life: a shard holds many tensors. */
const descriptors = new Map<string, number>();

function descriptor(path: string, flags: "r" | "r+"): number {
  let fd = descriptors.get(path);
  if (fd === undefined) {
    fd = openSync(path, flags);
    descriptors.set(path, fd);
  }
  return fd;
}

let block = new Uint8Array(0);

function read(path: string, offset: number, length: number): Uint8Array {
  if (block.length < length) block = new Uint8Array(length);
  try {
    const fd = descriptor(path, "r");
    for (let filled = 0; filled < length; ) {
      const count = readSync(fd, block, filled, length - filled, offset + filled);
      if (count === 0) {
        throw new SourceError(
          path,
          `ended at byte ${offset + filled}, ${length - filled} bytes early: it was cut while being read`,
        );
      }
      filled += count;
    }
  } catch (error) {
    throw error instanceof SourceError ? error : new SourceError(path, reasonOf(error), { cause: error });
  }
  return block.subarray(0, length);
}

const { memory, sinkName } = workerData as WorkerSetup;

function write(path: string, position: number, bytes: Uint8Array): void {
  const shared = memory.get(path);
  if (shared !== undefined) {
    new Uint8Array(shared).set(bytes, position);
    return;
  }
  try {
    const fd = descriptor(path, "r+");
    for (let done = 0; done < bytes.length; ) {
      done += writeSync(fd, bytes, done, bytes.length - done, position + done);
    }
  } catch (error) {
    throw asSinkError(sinkName, error);
  }
}

async function runBatch(tasks: readonly Task[]): Promise<void> {
  let unreported = 0;
  const progress = (bytes: number) => {
    unreported += bytes;
    if (unreported < REPORT_BYTES) return;
    post({ kind: "progress", bytes: unreported });
    unreported = 0;
  };
  try {
    for (const task of tasks) await runTask(task, { read, write, progress });
    post({ kind: "done", bytes: unreported });
  } catch (error) {
    post({ kind: "failed", error: packError(error) });
  }
}

function post(message: FromWorker): void {
  parentPort?.postMessage(message);
}

parentPort?.on("message", (message: ToWorker) => {
  if (message.kind === "run") void runBatch(message.tasks);
  else {
    for (const fd of descriptors.values()) closeSync(fd);
    parentPort?.close();
  }
});
