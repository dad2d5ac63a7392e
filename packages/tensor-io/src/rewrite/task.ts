import { bitsPerElement } from "../dtype.ts";
import type { TensorInfo } from "../tensor-info.ts";
import type { TensorEdit } from "./edit.ts";
import { assertFinite } from "./non-finite.ts";
import { BLOCK_BYTES } from "./row-blocks.ts";
import { runEdit, type TensorIo } from "./run-edit.ts";

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
  /** Tensors among them in which NaN and infinite numbers are refused. */
  readonly finite: readonly TensorInfo[];
}

/** Takes one tensor through its edit. */
export interface EditTask {
  readonly kind: "edit";
  readonly tensor: TensorInfo;
  readonly edit: TensorEdit;
  /** Whether NaN and infinite numbers are refused. */
  readonly finite: boolean;
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
    const { file, offset, byteLength, to, finite } = task;
    for (let done = 0; done < byteLength; done += BLOCK_BYTES) {
      const bytes = await io.read(file, offset + done, Math.min(BLOCK_BYTES, byteLength - done));
      for (const tensor of finite) assertFiniteBetween(tensor, bytes, offset + done);
      await io.write(to.file, to.offset + done, bytes);
      io.progress(bytes.byteLength);
    }
    return;
  }
  const { tensor, edit, finite, to } = task;
  let read = 0;
  const tensorIo: TensorIo = {
    read(offset, length) {
      read += length;
      io.progress(length);
      return io.read(tensor.file, offset, length);
    },
    write(index, position, bytes) {
      const { file, offset } = to[index] as Destination;
      return io.write(file, offset + position, bytes);
    },
  };
  await runEdit(tensor, edit, tensorIo, { finite });
  // Rows that were left out count as done too.
  io.progress(tensor.byteLength - read);
}

/** Elements of a tensor that lie whole among the bytes of its file from `start` on. */
function assertFiniteBetween(tensor: TensorInfo, bytes: Uint8Array, start: number): void {
  const size = bitsPerElement(tensor.dtype) / 8;
  const first = Math.ceil(Math.max(0, start - tensor.offset) / size);
  const end = Math.floor(Math.min(tensor.byteLength, start + bytes.byteLength - tensor.offset) / size);
  if (end <= first) return;
  const from = tensor.offset + first * size - start;
  assertFinite(tensor, bytes.subarray(from, from + (end - first) * size), first);
}
