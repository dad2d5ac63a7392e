import { type ByteSource, elementCount, MISTAKEN_BYTES, mistakenFile } from "@vlmopt/tensor-io/browser";
import { blockSizeOf, decodeGgml, type GgmlType, ggmlBytes, ggmlTypeOf } from "./ggml-type.ts";
import { GgufError } from "./gguf-error.ts";
import { type Metadata, type MetadataValue, type Scalar, scalarBytes, valueTypeOf } from "./metadata.ts";

/** A tensor of a GGUF file and the place of its bytes. */
export interface GgufTensorInfo {
  readonly name: string;
  readonly type: GgmlType;
  /** Row-major, a linear's weight `[out, in]`. */
  readonly shape: readonly number[];
  /** Bytes from the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
}

/** What a GGUF file says before its tensors. */
export interface GgufHeader {
  readonly version: number;
  readonly metadata: Metadata;
  /** By name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, GgufTensorInfo>;
  /** Bytes: tensors begin at multiples of it. */
  readonly alignment: number;
}

const MAGIC = 0x4655_4747;
const DEFAULT_ALIGNMENT = 32;
/** Bytes read at once: most headers are vocabularies of a few MB. */
const WINDOW_BYTES = 1024 * 1024;

/**
 * Reads the header of a GGUF file, version 2 or 3, little-endian.
 * @throws {GgufError} where it is no such file, is cut, or contradicts itself
 */
export async function readGguf(source: ByteSource, signal?: AbortSignal): Promise<GgufHeader> {
  const reader = headerReader(source, signal);
  const mistaken = mistakenFile(await source.read(0, Math.min(source.size, MISTAKEN_BYTES), signal));
  if (mistaken !== undefined) throw new GgufError(`${source.name}: ${mistaken.message}`, mistaken.hint);
  if ((await reader.uint32()) !== MAGIC) throw reader.error("does not begin with GGUF");
  const version = await reader.uint32();
  if (version !== 2 && version !== 3) {
    const swapped = (version & 0xffff) === 0 ? ", which looks big-endian" : "";
    throw reader.error(`is of version ${version}${swapped}; versions 2 and 3 are read, little-endian`);
  }
  const tensorCount = await reader.count("tensors", 8 + 4 + 4 + 8);
  const keyCount = await reader.count("keys", 8 + 4 + 1);

  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = await reader.string();
    if (metadata.has(key)) throw reader.error(`has the key "${key}" twice`);
    metadata.set(key, await reader.value(key));
  }
  const alignment = alignmentOf(metadata, reader);
  const relative: GgufTensorInfo[] = [];
  for (let i = 0; i < tensorCount; i++) relative.push(await readTensorInfo(reader, alignment));

  const start = Math.ceil(reader.position / alignment) * alignment;
  const tensors = new Map<string, GgufTensorInfo>();
  for (const info of relative) {
    const tensor = { ...info, offset: start + info.offset };
    if (tensors.has(tensor.name)) throw reader.error(`has the tensor "${tensor.name}" twice`);
    if (tensor.offset + tensor.byteLength > source.size) {
      throw reader.error(
        `tensor "${tensor.name}": bytes ${tensor.offset} to ${tensor.offset + tensor.byteLength} lie past the file's ${source.size}`,
      );
    }
    tensors.set(tensor.name, tensor);
  }
  return { version, metadata, tensors, alignment };
}

/** Reads a tensor's weights; `decodeGgml` says which types can be. */
export async function readGgufTensor(
  source: ByteSource,
  tensor: GgufTensorInfo,
  signal?: AbortSignal,
): Promise<Float32Array> {
  return decodeGgml(tensor.type, await source.read(tensor.offset, tensor.byteLength, signal));
}

function alignmentOf(metadata: Metadata, reader: HeaderReader): number {
  const given = metadata.get("general.alignment");
  if (given === undefined) return DEFAULT_ALIGNMENT;
  const isPower = given.type === "uint32" && given.value > 0 && Number.isInteger(Math.log2(given.value));
  if (isPower) return given.value;
  throw reader.error(`general.alignment is ${JSON.stringify(given)}, which is no power of two in 32 bits`);
}

/** Its offset is counted from where the tensors begin. */
async function readTensorInfo(reader: HeaderReader, alignment: number): Promise<GgufTensorInfo> {
  const name = await reader.string();
  const dimensions = await reader.uint32();
  if (dimensions > 4) throw reader.error(`tensor "${name}" has ${dimensions} dimensions, and 4 are the most`);
  const shape: number[] = [];
  for (let i = 0; i < dimensions; i++) shape.unshift(await reader.uint64());
  const id = await reader.uint32();
  const type = ggmlTypeOf(id);
  if (type === undefined) throw reader.error(`tensor "${name}" is of type ${id}, which is not known`);
  const offset = await reader.uint64();
  const byteLength = ggmlBytes(type, elementCount(shape));
  if ((shape.at(-1) ?? 1) % blockSizeOf(type) !== 0 || !Number.isSafeInteger(byteLength)) {
    throw reader.error(`tensor "${name}": shape [${shape}] does not fill blocks of ${type}`);
  }
  if (offset % alignment !== 0) {
    throw reader.error(`tensor "${name}" begins at byte ${offset}, which is no multiple of ${alignment}`);
  }
  return { name, type, shape, offset, byteLength };
}

interface HeaderReader {
  /** Bytes from the start of the file that were read. */
  readonly position: number;
  uint32(): Promise<number>;
  uint64(): Promise<number>;
  string(): Promise<string>;
  /** A number of things that take at least `leastBytes` each. */
  count(what: string, leastBytes: number): Promise<number>;
  /** A value with its type before it. */
  value(key: string): Promise<MetadataValue>;
  error(message: string): GgufError;
}

function headerReader(source: ByteSource, signal: AbortSignal | undefined): HeaderReader {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let window: Uint8Array = new Uint8Array(0);
  let view = new DataView(window.buffer);
  /** Where the window begins in the file, and the place in it of what comes next. */
  let start = 0;
  let at = 0;
  const error = (message: string) => new GgufError(`${source.name}: ${message}`);
  /** Makes the next `length` bytes lie in the window; they begin at the place returned. */
  const take = async (length: number): Promise<number> => {
    if (at + length > window.length) {
      start += at;
      at = 0;
      if (start + length > source.size) {
        throw error(
          `ends at byte ${source.size}, within its header: ${start + length - source.size} bytes early`,
        );
      }
      const wanted = Math.min(source.size - start, Math.max(length, WINDOW_BYTES));
      window = await source.read(start, wanted, signal);
      view = new DataView(window.buffer, window.byteOffset, window.byteLength);
    }
    const begin = at;
    at += length;
    return begin;
  };
  // The place first: taking it may change the view.
  const uint32 = async () => {
    const begin = await take(4);
    return view.getUint32(begin, true);
  };
  const uint64 = async () => {
    const begin = await take(8);
    const number = Number(view.getBigUint64(begin, true));
    if (!Number.isSafeInteger(number)) throw error(`has the number ${number}, which no file can hold`);
    return number;
  };
  const string = async () => {
    const length = await uint64();
    const begin = await take(length);
    try {
      return decoder.decode(window.subarray(begin, begin + length));
    } catch {
      throw error(`has a text at byte ${start + begin} that is not UTF-8`);
    }
  };
  const count = async (what: string, leastBytes: number) => {
    const number = await uint64();
    if (number * leastBytes <= source.size) return number;
    throw error(`claims ${number} ${what}, more than its ${source.size} bytes can hold`);
  };
  const scalar = async (type: Scalar["type"]): Promise<Scalar["value"]> => {
    if (type === "string") return string();
    const begin = await take(scalarBytes[type]);
    switch (type) {
      case "uint8":
        return view.getUint8(begin);
      case "int8":
        return view.getInt8(begin);
      case "uint16":
        return view.getUint16(begin, true);
      case "int16":
        return view.getInt16(begin, true);
      case "uint32":
        return view.getUint32(begin, true);
      case "int32":
        return view.getInt32(begin, true);
      case "float32":
        return view.getFloat32(begin, true);
      case "bool":
        return view.getUint8(begin) !== 0;
      case "uint64":
        return view.getBigUint64(begin, true);
      case "int64":
        return view.getBigInt64(begin, true);
      case "float64":
        return view.getFloat64(begin, true);
    }
  };
  return {
    get position() {
      return start + at;
    },
    uint32,
    uint64,
    string,
    count,
    error,
    async value(key) {
      const type = valueTypeOf(await uint32());
      if (type === undefined) throw error(`key "${key}" has a value of an unknown type`);
      if (type !== "array") return { type, value: await scalar(type) } as Scalar;
      const of = valueTypeOf(await uint32());
      if (of === undefined || of === "array") {
        throw error(`key "${key}" holds an array of ${of ?? "an unknown type"}s, which is not read`);
      }
      const length = await count(`values of "${key}"`, of === "string" ? 8 : scalarBytes[of]);
      const values: Scalar["value"][] = [];
      for (let i = 0; i < length; i++) values.push(await scalar(of));
      return { type: "array", of, values } as MetadataValue;
    },
  };
}
