import { bitsPerElement, byteLengthOf } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { ByteSource } from "../source/byte-source.ts";
import type { TensorInfo } from "../tensor-info.ts";

/** An opened safetensors file or folder of shards. Opening reads headers only; tensors are read when asked for. */
export interface Checkpoint {
  /** The path or URL it was opened from. */
  readonly location: string;
  /** The local folder of its files, where there is one: what lies beside the weights (config.json, the tokenizer …). */
  readonly folder: string | undefined;
  /** `__metadata__` of its files, e.g. `{ format: "pt" }`; where shards disagree, the first one's. */
  readonly metadata: Readonly<Record<string, string>>;
  /** By name, in the order of the files and of the bytes in each. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** The files that hold the tensors, by the name that `TensorInfo.file` gives. */
  readonly sources: ReadonlyMap<string, ByteSource>;
  /**
   * Reads a file beside the weights, such as `config.json`; undefined where there is none.
   * @throws {SourceError} where it is there and cannot be read.
   */
  readSibling(name: string): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What a checkpoint is read from, as far as that lies on disks: outputs may not replace it. */
export function inputPaths({ location, sources }: Checkpoint): string[] {
  const files = [...sources.values()].flatMap(({ path }) => (path === undefined ? [] : [path]));
  return [location, ...files];
}

/**
 * The tensor of that name.
 * @throws {CheckpointError} `missing-tensor`, naming the closest one there is.
 */
export function tensorNamed(checkpoint: Checkpoint, name: string): TensorInfo {
  const tensor = checkpoint.tensors.get(name);
  if (tensor !== undefined) return tensor;
  const last = name.split(".").slice(-2).join(".");
  const close = [...checkpoint.tensors.keys()].find((other) => other.endsWith(last));
  throw new CheckpointError(
    "missing-tensor",
    `there is no such tensor among ${checkpoint.tensors.size}`,
    close === undefined
      ? { file: checkpoint.location, tensor: name }
      : { file: checkpoint.location, tensor: name, hint: `there is "${close}"` },
  );
}

/** Reads a whole tensor: its bytes as stored, little-endian and row-major. */
export async function readTensor(
  checkpoint: Checkpoint,
  name: string,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const tensor = tensorNamed(checkpoint, name);
  return sourceNamed(checkpoint, tensor.file).read(tensor.offset, tensor.byteLength, signal);
}

/** Reads rows `[begin, end)`: slices along the first axis, contiguous in the file. */
export async function readRows(
  checkpoint: Checkpoint,
  name: string,
  begin: number,
  end: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const tensor = tensorNamed(checkpoint, name);
  const rows = tensor.shape[0] ?? 1;
  assertWithin(tensor, "rows", begin, end, rows);
  const rowBytes = wholeBytes(tensor, byteLengthOf(tensor.dtype, tensor.shape.slice(1)), "a row");
  return sourceNamed(checkpoint, tensor.file).read(
    tensor.offset + begin * rowBytes,
    (end - begin) * rowBytes,
    signal,
  );
}

/**
 * Reads columns `[begin, end)` of a matrix `[rows, columns]` as a matrix `[rows, end - begin]`, and of the file only those:
 * ranges are joined only where the source says that reading a gap is cheaper than asking twice.
 */
export async function readColumns(
  checkpoint: Checkpoint,
  name: string,
  begin: number,
  end: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const tensor = tensorNamed(checkpoint, name);
  const [rows, columns] = tensor.shape;
  if (rows === undefined || columns === undefined || tensor.shape.length !== 2) {
    throw new CheckpointError(
      "invalid-range",
      `columns were asked of shape [${tensor.shape}], which is no matrix`,
      {
        file: tensor.file,
        tensor: name,
      },
    );
  }
  assertWithin(tensor, "columns", begin, end, columns);
  const bits = bitsPerElement(tensor.dtype);
  const stride = wholeBytes(tensor, (columns * bits) / 8, "a row");
  const start = wholeBytes(tensor, (begin * bits) / 8, "the range's start");
  const width = wholeBytes(tensor, ((end - begin) * bits) / 8, "the range");

  const source = sourceNamed(checkpoint, tensor.file);
  const result = new Uint8Array(rows * width);
  const rowsPerRead =
    stride - width <= source.mergeGap ? Math.max(1, Math.floor(MERGED_READ_BYTES / stride)) : 1;
  for (let row = 0; row < rows; row += rowsPerRead) {
    const count = Math.min(rowsPerRead, rows - row);
    const bytes = await source.read(
      tensor.offset + row * stride + start,
      (count - 1) * stride + width,
      signal,
    );
    for (let i = 0; i < count; i++) {
      result.set(bytes.subarray(i * stride, i * stride + width), (row + i) * width);
    }
  }
  return result;
}

/** Bytes read at once where rows are merged: bounds memory, and is many times a request's worth. */
const MERGED_READ_BYTES = 8 * 1024 * 1024;

/** The source of that `TensorInfo.file`. */
export function sourceNamed(checkpoint: Checkpoint, file: string): ByteSource {
  const source = checkpoint.sources.get(file);
  if (source === undefined) throw new TypeError(`${file} is not a file of ${checkpoint.location}`);
  return source;
}

function assertWithin(tensor: TensorInfo, what: string, begin: number, end: number, count: number): void {
  if (Number.isInteger(begin) && Number.isInteger(end) && 0 <= begin && begin <= end && end <= count) return;
  throw new CheckpointError(
    "invalid-range",
    `${what} ${begin} to ${end} were asked of shape [${tensor.shape}]`,
    {
      file: tensor.file,
      tensor: tensor.name,
    },
  );
}

function wholeBytes(tensor: TensorInfo, bytes: number, what: string): number {
  if (Number.isInteger(bytes)) return bytes;
  throw new CheckpointError(
    "misaligned",
    `${what} of shape [${tensor.shape}] of ${tensor.dtype} takes ${bytes} bytes`,
    {
      file: tensor.file,
      tensor: tensor.name,
    },
  );
}
