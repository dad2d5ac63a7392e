import { elementCount, fileSink, type Sink } from "@vlmopt/tensor-io";
import { byteWriter } from "./byte-writer.ts";
import { blockSizeOf, type GgmlType, ggmlBytes, idOf } from "./ggml-type.ts";
import { GgufError } from "./gguf-error.ts";
import type { Metadata } from "./metadata.ts";

/** A tensor to write, and where its bytes come from. */
export interface GgufTensor {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major, a linear's weight `[out, in]`: the file lists the sizes the other way round. */
  readonly shape: readonly number[];
  /** Its bytes in order, in pieces that need not outlive the next one. */
  bytes(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface GgufContents {
  readonly metadata: Metadata;
  readonly tensors: readonly GgufTensor[];
}

export interface WriteGgufOptions {
  readonly signal?: AbortSignal;
  /** Called after each piece: bytes of tensors written so far, and in all. */
  readonly onProgress?: (progress: { readonly bytes: number; readonly totalBytes: number }) => void;
}

/** Tensors, and the first of them, begin at multiples of it. */
const ALIGNMENT = 32;
const MAGIC = 0x4655_4747;
const VERSION = 3;
/** ggml's fixed array for a name has room for 63 bytes and a zero. */
const LONGEST_NAME = 63;
const MOST_DIMENSIONS = 4;

/**
 * Writes a GGUF file, version 3: one pass in bounded memory, into a place beside the file's, which it takes when it is complete and on disk.
 * @param sink a path, or a sink for one file
 * @throws {GgufError} for what the format cannot hold: long or repeated names, more than four dimensions, rows that do not fill blocks,
 * tensors whose bytes are not as many as their shape says
 * @throws {SinkError} where the file exists already or cannot be written
 */
export async function writeGguf(
  contents: GgufContents,
  sink: Sink | string,
  options: WriteGgufOptions = {},
): Promise<{ readonly size: number }> {
  const target = typeof sink === "string" ? fileSink(sink) : sink;
  const [file] = await writeGgufFiles(new Map([["model.gguf", contents]]), target, options);
  return { size: (file as { readonly size: number }).size };
}

/** Writes several files that belong together: all of them appear, or none. */
export async function writeGgufFiles(
  files: ReadonlyMap<string, GgufContents>,
  sink: Sink,
  { signal, onProgress }: WriteGgufOptions = {},
): Promise<{ readonly name: string; readonly size: number }[]> {
  const layouts = [...files].map(([name, { metadata, tensors }]) => ({ name, ...layOut(metadata, tensors) }));
  const placed = layouts.flatMap(({ name, tensors }) => tensors.map((tensor) => ({ file: name, ...tensor })));
  const totalBytes = placed.reduce((sum, { byteLength }) => sum + byteLength, 0);
  let bytes = 0;

  const session = await sink.begin(layouts.map(({ name, size }) => ({ name, size })));
  try {
    for (const { name, header } of layouts) await session.write(name, 0, header);
    for (const { file, tensor, offset, byteLength } of placed) {
      let position = offset;
      for await (const piece of tensor.bytes()) {
        signal?.throwIfAborted();
        if (position + piece.length > offset + byteLength) position = Number.POSITIVE_INFINITY;
        else await session.write(file, position, piece);
        position += piece.length;
        bytes += piece.length;
        onProgress?.({ bytes, totalBytes });
      }
      if (position !== offset + byteLength) {
        const given = position === Number.POSITIVE_INFINITY ? "more" : `${position - offset}`;
        throw new GgufError(
          `${tensor.name}: ${tensor.type} of shape [${tensor.shape}] takes ${byteLength} bytes, and ${given} were given`,
        );
      }
    }
    signal?.throwIfAborted();
    await session.commit();
  } catch (error) {
    await session.abort();
    throw error;
  }
  return layouts.map(({ name, size }) => ({ name, size }));
}

interface PlacedTensor {
  readonly tensor: GgufTensor;
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

interface Layout {
  readonly header: Uint8Array;
  readonly tensors: readonly PlacedTensor[];
  /** Bytes of the file. */
  readonly size: number;
}

function layOut(metadata: Metadata, tensors: readonly GgufTensor[]): Layout {
  const writer = byteWriter();
  writer.uint32(MAGIC);
  writer.uint32(VERSION);
  writer.uint64(tensors.length);
  writer.uint64(metadata.size);
  for (const [key, value] of metadata) {
    writer.string(key);
    writer.metadataValue(value);
  }
  const seen = new Set<string>();
  const placed: PlacedTensor[] = [];
  let end = 0;
  for (const tensor of tensors) {
    assertWritable(tensor, seen);
    const byteLength = ggmlBytes(tensor.type, elementCount(tensor.shape));
    writer.string(tensor.name);
    writer.uint32(tensor.shape.length);
    for (const size of tensor.shape.toReversed()) writer.uint64(size);
    writer.uint32(idOf(tensor.type));
    writer.uint64(end);
    placed.push({ tensor, offset: end, byteLength });
    end = aligned(end + byteLength);
  }
  writer.align(ALIGNMENT);
  const header = writer.bytes();
  return {
    header,
    tensors: placed.map(({ offset, ...rest }) => ({ ...rest, offset: header.length + offset })),
    size: header.length + end,
  };
}

function assertWritable({ name, type, shape }: GgufTensor, seen: Set<string>): void {
  if (seen.has(name)) throw new GgufError(`two tensors are named ${name}`);
  seen.add(name);
  if (new TextEncoder().encode(name).length > LONGEST_NAME) {
    throw new GgufError(`${name}: names of tensors have at most ${LONGEST_NAME} bytes`);
  }
  if (shape.length === 0 || shape.length > MOST_DIMENSIONS) {
    throw new GgufError(`${name}: shape [${shape}] has ${shape.length} dimensions, and GGUF holds 1 to 4`);
  }
  const row = shape.at(-1) as number;
  if (row % blockSizeOf(type) !== 0) {
    throw new GgufError(
      `${name}: rows of ${row} do not fill blocks of ${blockSizeOf(type)}, which ${type} has`,
    );
  }
}

function aligned(offset: number): number {
  return Math.ceil(offset / ALIGNMENT) * ALIGNMENT;
}
