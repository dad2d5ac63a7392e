import type { TensorInfo } from "../tensor-info.ts";
import type { TensorEdit } from "./edit.ts";
import { BLOCK_BYTES } from "./row-blocks.ts";
import { runEdit } from "./run-edit.ts";

/** A place in an output file. */
export interface Destination {
  readonly file: string;
  /** Bytes from the start of the file. */
  readonly offset: number;
}

/** Moves bytes from file to file as they are; several tensors where they lie in the same order in both. */
export interface CopyTask {
  readonly kind: "copy";
  readonly file: string;
  readonly offset: number;
  readonly byteLength: number;
  readonly to: Destination;
}

/** Takes one tensor through its edit. */
export interface EditTask {
  readonly kind: "edit";
  readonly tensor: TensorInfo;
  readonly edit: TensorEdit;
  /** One for each of `writtenTensors(edit)`. */
  readonly to: readonly Destination[];
}

export type Task = CopyTask | EditTask;

/** Reads and writes by file name, at once or later. */
export interface TaskIo {
  read(file: string, offset: number, length: number): Uint8Array | Promise<Uint8Array>;
  write(file: string, position: number, bytes: Uint8Array): void | Promise<void>;
  /** Called with the bytes read since the last call. */
  progress(bytes: number): void;
}

export function taskBytes(task: Task): number {
  return task.kind === "copy" ? task.byteLength : task.tensor.byteLength;
}

export async function runTask(task: Task, io: TaskIo): Promise<void> {
  if (task.kind === "copy") {
    const { file, offset, byteLength, to } = task;
    for (let done = 0; done < byteLength; done += BLOCK_BYTES) {
      const bytes = await io.read(file, offset + done, Math.min(BLOCK_BYTES, byteLength - done));
      await io.write(to.file, to.offset + done, bytes);
      io.progress(bytes.byteLength);
    }
    return;
  }
  const { tensor, edit, to } = task;
  let read = 0;
  await runEdit(tensor, edit, {
    read(offset, length) {
      read += length;
      io.progress(length);
      return io.read(tensor.file, offset, length);
    },
    write(index, position, bytes) {
      const { file, offset } = to[index] as Destination;
      return io.write(file, offset + position, bytes);
    },
  });
  // Rows that were left out count as done too.
  io.progress(tensor.byteLength - read);
}
