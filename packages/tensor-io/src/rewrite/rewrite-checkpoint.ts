import { availableParallelism } from "node:os";
import { checkOptions } from "@vlmopt/options";
import { type Checkpoint, inputPaths, sourceNamed } from "../checkpoint/checkpoint.ts";
import { byteLengthOf, type Dtype } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { PlacedTensor } from "../format/layout.ts";
import { INDEX_NAME } from "../format/shard-index.ts";
import type { TensorInfo, TensorSpec } from "../tensor-info.ts";
import {
  cast,
  compose,
  drop,
  isPlainCopy,
  specOf,
  stagesOf,
  type TensorEdit,
  type Transform,
  writtenTensors,
} from "./edit.ts";
import { hasNonFinite } from "./non-finite.ts";
import { rewriteRules } from "./option-rules.ts";
import { type OtherFile, otherFiles } from "./other-files.ts";
import { BLOCK_BYTES } from "./row-blocks.ts";
import { planShards } from "./shard-plan.ts";
import { fileSink, folderSink, type Sink, type SinkSession } from "./sink.ts";
import { type CopyTask, type Destination, runTask, type Task, taskBytes } from "./task.ts";
import { runInWorkers } from "./worker-pool.ts";

export interface RewriteProgress {
  /** Bytes of the source that are done with, and bytes in all. */
  readonly bytes: number;
  readonly totalBytes: number;
}

/** A tensor with its bytes at hand. */
export interface TensorLiteral extends TensorSpec {
  readonly bytes: Uint8Array;
}

export interface RewriteOptions {
  /** Threads; as many as there are processors, up to 8, unless told. 0 does everything on the calling thread. */
  readonly workers?: number;
  /** Bytes of tensors in one file; 5 GB unless told, as on the hub. */
  readonly shardSize?: number;
  /** Floating-point tensors that the transform leaves in their dtype are cast to this one. */
  readonly dtype?: Dtype;
  /** Tensors that the source does not have, written after its own. */
  readonly add?: readonly TensorLiteral[];
  /**
   * Files beside the weights. Those of the source's folder (config.json, the tokenizer …) are copied unless one of the same name is
   * given here; null leaves it out.
   */
  readonly files?: Readonly<Record<string, string | Uint8Array | null>>;
  /**
   * Refuses tensors with numbers that are NaN or infinite, or become so in a dtype that has no room for them; they are carried along
   * unless told.
   */
  readonly refuseNonFinite?: boolean;
  /** `__metadata__` of the files written; the source's, with `format: "pt"` where it has none, unless told. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RewriteProgress) => void;
}

export interface RewriteResult {
  /** Files of weights, in order, with their sizes in bytes. */
  readonly files: readonly { readonly name: string; readonly size: number }[];
  readonly tensors: readonly TensorSpec[];
  /** Bytes of all tensors written. */
  readonly tensorBytes: number;
}

/** The hub's usual size of a shard, in bytes. */
const DEFAULT_SHARD_SIZE = 5e9;
/** Starting threads takes longer than copying this many bytes. */
const WORTH_THREADS_BYTES = 16 * 1024 * 1024;
/** Pieces in which bytes that stay as they are are handed out. */
const COPY_BYTES = 16 * 1024 * 1024;
const CASTABLE: ReadonlySet<Dtype> = new Set<Dtype>(["F16", "BF16", "F32", "F64"]);

/**
 * Pulls every tensor of a checkpoint through a transform, once and in bounded memory, into a new checkpoint. The output appears
 * under its name only when it is complete and on disk; on an error, an abort or a crash what was there before stays.
 * Equal input and options give equal bytes, however many workers there are.
 *
 * @param transform what becomes of each tensor; undefined keeps them all
 * @param sink a folder's path, the path of one file (`….safetensors`), or a sink
 * @throws {CheckpointError} where two outputs have one name, an edit does not fit its tensor, or a number is not finite where such are refused
 * @throws {SourceError} where the source cannot be read
 * @throws {SinkError} where the output exists already or cannot be written
 */
export async function rewriteCheckpoint(
  source: Checkpoint,
  transform: Transform | undefined,
  sink: Sink | string,
  options: RewriteOptions = {},
): Promise<RewriteResult> {
  checkOptions("rewriteCheckpoint", options, rewriteRules);
  const { signal } = options;
  signal?.throwIfAborted();
  const target =
    typeof sink !== "string" ? sink : sink.endsWith(".safetensors") ? fileSink(sink) : folderSink(sink);
  const edits = editsOf(source, transform, options);
  const outputs = [...edits.flatMap(({ edit }) => writtenTensors(edit)), ...(options.add ?? [])];
  assertDistinct(outputs);

  const metadata = options.metadata ?? { format: "pt", ...source.metadata };
  const shardSize = target.singleFile ? Number.POSITIVE_INFINITY : (options.shardSize ?? DEFAULT_SHARD_SIZE);
  const { layouts, index } = planShards(outputs.map(specOf), shardSize, metadata);
  const given = index === undefined ? options.files : { ...options.files, [INDEX_NAME]: index };
  const others = target.singleFile ? [] : await otherFiles(source, given ?? {});
  const weightFiles = [...layouts].map(([name, { fileSize }]) => ({ name, size: fileSize }));
  const session = await target.begin([...weightFiles, ...others], inputPaths(source));
  try {
    const placed = new Map<string, PlacedTensor & Destination>();
    for (const [file, { header, tensors }] of layouts) {
      await session.write(file, 0, header);
      for (const tensor of tensors) placed.set(tensor.name, { ...tensor, file });
    }
    for (const file of others) await copyOtherFile(file, session);
    for (const { name, bytes } of options.add ?? []) {
      const { file, offset } = destination(placed, name);
      await session.write(file, offset, bytes);
    }
    const tasks = joinCopies(
      edits.map(({ tensor, edit }) =>
        taskOf(source, tensor.name, edit, placed, options.refuseNonFinite === true),
      ),
    );
    await runTasks(source, target.name, session, tasks, options);
    signal?.throwIfAborted();
    await session.commit();
  } catch (error) {
    await session.abort();
    throw error;
  }
  const tensorBytes = outputs.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape), 0);
  return { files: weightFiles, tensors: outputs.map(specOf), tensorBytes };
}

/** Writes tensors that are in memory as a checkpoint, e.g. to make a fixture; the counterpart of `readTensor`. */
export async function writeCheckpoint(
  tensors: readonly TensorLiteral[],
  sink: Sink | string,
  options: Omit<RewriteOptions, "add" | "workers"> = {},
): Promise<RewriteResult> {
  checkOptions<object>("writeCheckpoint", options, rewriteRules);
  const nothing: Checkpoint = {
    location: "memory",
    folder: undefined,
    metadata: {},
    tensors: new Map(),
    sources: new Map(),
    readSibling: async () => undefined,
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return rewriteCheckpoint(nothing, undefined, sink, { ...options, add: tensors, workers: 0 });
}

interface TensorWithEdit {
  readonly tensor: TensorSpec;
  readonly edit: TensorEdit;
}

function editsOf(
  source: Checkpoint,
  transform: Transform | undefined,
  { dtype }: RewriteOptions,
): TensorWithEdit[] {
  const keep: Transform = (tensor) => ({ outputs: [specOf(tensor)] });
  const edit = compose(...(transform === undefined ? [] : [transform]), keep);
  return [...source.tensors.values()].map((tensor) => {
    const made = edit(tensor) ?? drop();
    const untouched = stagesOf(made).length === 0 && CASTABLE.has(tensor.dtype);
    const casting =
      dtype === undefined || !untouched
        ? undefined
        : compose(
            () => made,
            (output) => cast(output, dtype),
          );
    return { tensor, edit: casting?.(tensor) ?? made };
  });
}

async function copyOtherFile({ name, size, open }: OtherFile, session: SinkSession): Promise<void> {
  const file = await open();
  try {
    for (let offset = 0; offset < size; offset += BLOCK_BYTES) {
      await session.write(name, offset, await file.read(offset, Math.min(BLOCK_BYTES, size - offset)));
    }
  } finally {
    await file.close();
  }
}

function assertDistinct(tensors: readonly TensorSpec[]): void {
  const seen = new Set<string>();
  for (const { name } of tensors) {
    if (seen.has(name)) {
      throw new CheckpointError("duplicate-key", "two tensors of the output would have this name", {
        tensor: name,
      });
    }
    seen.add(name);
  }
}

function destination(placed: ReadonlyMap<string, Destination>, name: string): Destination {
  const { file, offset } = placed.get(name) as Destination;
  return { file, offset };
}

function taskOf(
  source: Checkpoint,
  name: string,
  edit: TensorEdit,
  placed: ReadonlyMap<string, Destination>,
  finite: boolean,
): Task {
  const tensor = source.tensors.get(name);
  if (tensor === undefined) throw new TypeError(`${name} left the checkpoint while it was being rewritten`);
  const to = writtenTensors(edit).map((output) => destination(placed, output.name));
  const [first] = to;
  if (first === undefined || !isPlainCopy(edit)) return { kind: "edit", tensor, edit, finite, to };
  const { file, offset, byteLength } = tensor;
  return {
    kind: "copy",
    file,
    offset,
    byteLength,
    to: first,
    finite: finite && hasNonFinite(tensor.dtype) ? [tensor] : [],
  };
}

/**
 * Joins copies that continue each other in both files and cuts what results into even pieces, so that neither a hundred thousand
 * small tensors nor one large one holds the workers up. Edits come first, the largest first: pieces fill the gaps at the end.
 */
function joinCopies(tasks: readonly Task[]): Task[] {
  const edits = tasks.filter((task) => task.kind === "edit").sort((a, b) => taskBytes(b) - taskBytes(a));
  const copies = tasks
    .filter((task) => task.kind === "copy")
    .sort((a, b) => (a.file === b.file ? a.offset - b.offset : a.file < b.file ? -1 : 1));
  const joined: (CopyTask & { readonly finite: TensorInfo[] })[] = [];
  for (const copy of copies) {
    const last = joined.at(-1);
    const continues =
      last !== undefined &&
      last.file === copy.file &&
      last.to.file === copy.to.file &&
      last.offset + last.byteLength === copy.offset &&
      last.to.offset + last.byteLength === copy.to.offset;
    if (continues) {
      last.finite.push(...copy.finite);
      joined.splice(-1, 1, { ...last, byteLength: last.byteLength + copy.byteLength });
    } else joined.push({ ...copy, finite: [...copy.finite] });
  }
  return [...edits, ...joined.flatMap((copy) => [...cut(copy)])];
}

function* cut({ file, offset, byteLength, to, finite }: CopyTask): Generator<CopyTask> {
  for (let done = 0; done < byteLength; done += COPY_BYTES) {
    const length = Math.min(COPY_BYTES, byteLength - done);
    const [start, end] = [offset + done, offset + done + length];
    yield {
      kind: "copy",
      file,
      offset: offset + done,
      byteLength: length,
      to: { ...to, offset: to.offset + done },
      finite: finite.filter((tensor) => tensor.offset < end && tensor.offset + tensor.byteLength > start),
    };
  }
}

async function runTasks(
  source: Checkpoint,
  sinkName: string,
  session: SinkSession,
  tasks: readonly Task[],
  { workers = Math.min(8, availableParallelism()), signal, onProgress }: RewriteOptions,
): Promise<void> {
  const totalBytes = tasks.reduce((sum, task) => sum + taskBytes(task), 0);
  let bytes = 0;
  const progress = (count: number) => {
    bytes += count;
    onProgress?.({ bytes, totalBytes });
  };
  const inWorkers: Task[] = [];
  const here: Task[] = [];
  for (const task of tasks) {
    const moved =
      workers > 0 && totalBytes >= WORTH_THREADS_BYTES ? onFiles(source, session, task) : undefined;
    if (moved === undefined) here.push(task);
    else inWorkers.push(moved);
  }
  const setup = { sinkName, memory: session.memory };
  await runInWorkers(inWorkers, { workers, setup, signal, onProgress: progress });
  for (const task of here) {
    await runTask(task, {
      progress,
      write: (file, position, bytes) => session.write(file, position, bytes),
      async read(file, offset, length) {
        signal?.throwIfAborted();
        const from = sourceNamed(source, file);
        const bytes = await from.read(offset, length, signal);
        // Memory is handed out as it is, and an edit moves rows about in what it is given.
        return task.kind === "edit" && from.path === undefined ? bytes.slice() : bytes;
      },
    });
  }
}

/** The task with paths for file names, where worker threads can carry it out. */
function onFiles(source: Checkpoint, session: SinkSession, task: Task): Task | undefined {
  const file = task.kind === "copy" ? task.file : task.tensor.file;
  const path = source.sources.get(file)?.path;
  const onPath = ({ file, offset }: Destination): Destination | undefined => {
    const place = session.path(file);
    return place === undefined ? undefined : { file: place, offset };
  };
  if (path === undefined) return undefined;
  if (task.kind === "copy") {
    const to = onPath(task.to);
    return to === undefined ? undefined : { ...task, file: path, to };
  }
  const to = task.to.map(onPath).filter((place) => place !== undefined);
  if (to.length < task.to.length || stagesOf(task.edit).some((stage) => typeof stage === "function"))
    return undefined;
  return { ...task, tensor: { ...task.tensor, file: path }, to };
}
