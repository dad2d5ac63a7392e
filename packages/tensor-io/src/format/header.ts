import { bitsPerElement, elementCount, isDtype } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { ByteSource } from "../source/byte-source.ts";
import type { TensorInfo } from "../tensor-info.ts";
import { type HeaderEntry, parseHeaderJson } from "./header-json.ts";
import { mistakenFile } from "./mistaken-file.ts";

/** Bytes; the limit of the format's own implementation, against headers made to exhaust memory. */
export const MAX_HEADER_BYTES = 100_000_000;
/** Bytes of the little-endian u64 that says how long the header is. */
export const LENGTH_BYTES = 8;
/** Read at once when a file is opened: the whole header of most files in one request. */
const FIRST_READ_BYTES = 64 * 1024;

/** The contents of one safetensors file. */
export interface Header {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes in the file. */
  readonly tensors: readonly TensorInfo[];
}

/**
 * Reads and checks the header of a safetensors file: every check of the format's Rust implementation, with one error code each.
 * Never allocates more than the header's own length, and never before that length was compared with the file's.
 * @throws {CheckpointError}
 */
export async function readHeader(source: ByteSource): Promise<Header> {
  const file = source.name;
  if (source.size < LENGTH_BYTES) {
    throw new CheckpointError(
      "header-too-short",
      `${source.size} bytes are too few for a safetensors file, which starts with an 8-byte length`,
      { file },
    );
  }
  const start = await source.read(0, Math.min(source.size, FIRST_READ_BYTES));
  const length = new DataView(start.buffer, start.byteOffset, start.byteLength).getBigUint64(0, true);
  const mistaken = mistakenFile(start);
  if (mistaken !== undefined) {
    throw new CheckpointError("header-too-large", mistaken.message, { file, hint: mistaken.hint });
  }
  if (String.fromCharCode(...start.subarray(0, 4)) === "GGUF") {
    throw new CheckpointError(
      "header-too-large",
      "this is a GGUF file, which llama.cpp runs, and no safetensors file",
      { file, hint: "use the safetensors checkpoint that it was made of" },
    );
  }
  if (length > MAX_HEADER_BYTES) {
    throw new CheckpointError(
      "header-too-large",
      `the header claims ${length} bytes and the limit is ${MAX_HEADER_BYTES}; this may not be a safetensors file`,
      { file },
    );
  }
  const end = LENGTH_BYTES + Number(length);
  if (end > source.size) {
    throw new CheckpointError(
      "header-past-end",
      `the header claims ${length} bytes and the file has ${source.size - LENGTH_BYTES} after its length`,
      { file, hint: "the download may be incomplete" },
    );
  }
  const bytes =
    end <= start.length
      ? start.subarray(LENGTH_BYTES, end)
      : await source.read(LENGTH_BYTES, end - LENGTH_BYTES);
  return parseHeader(bytes, source.size, file);
}

/** Parses and checks header bytes (without their length) of a file of `fileSize` bytes. */
function parseHeader(bytes: Uint8Array, fileSize: number, file: string): Header {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CheckpointError("invalid-utf8", `the ${bytes.length} bytes of the header are not valid UTF-8`, {
      file,
    });
  }
  const { metadata, entries } = parseHeaderJson(text, file);
  const dataStart = LENGTH_BYTES + bytes.length;
  const tensors = inFileOrder(entries).map((entry) => checkedTensor(entry, dataStart, file));

  let previousEnd = dataStart;
  for (const tensor of tensors) {
    if (tensor.offset !== previousEnd) {
      const problem =
        tensor.offset < previousEnd ? "overlaps the tensor before it" : "leaves a hole before it";
      throw new CheckpointError(
        "invalid-offsets",
        `it starts at data byte ${tensor.offset - dataStart} where the one before it ends at ${previousEnd - dataStart}: it ${problem}`,
        { file, tensor: tensor.name },
      );
    }
    previousEnd += tensor.byteLength;
  }
  if (previousEnd !== fileSize) {
    throw new CheckpointError(
      "file-size-mismatch",
      `the header describes ${previousEnd} bytes and the file has ${fileSize}`,
      previousEnd > fileSize ? { file, hint: "the download may be incomplete" } : { file },
    );
  }
  return { metadata, tensors };
}

/** Writers agree on no order of entries; offsets are the only one that means anything. */
function inFileOrder(entries: readonly HeaderEntry[]): readonly HeaderEntry[] {
  return entries.every((entry, i) => i === 0 || precedes(entries[i - 1] ?? entry, entry))
    ? entries
    : entries.toSorted((a, b) => a.begin - b.begin || a.end - b.end);
}

function precedes(a: HeaderEntry, b: HeaderEntry): boolean {
  return a.begin < b.begin || (a.begin === b.begin && a.end <= b.end);
}

function checkedTensor(entry: HeaderEntry, dataStart: number, file: string): TensorInfo {
  const { name, dtype, shape, begin, end } = entry;
  const place = { file, tensor: name };
  if (!isDtype(dtype)) {
    throw new CheckpointError(
      "unknown-dtype",
      `dtype ${JSON.stringify(dtype)} is not one of safetensors 0.8`,
      place,
    );
  }
  if (end < begin) {
    throw new CheckpointError(
      "invalid-offsets",
      `it ends at data byte ${end}, before its start at ${begin}`,
      place,
    );
  }
  const bits = elementCount(shape) * bitsPerElement(dtype);
  if (!Number.isSafeInteger(bits)) {
    throw new CheckpointError(
      "overflow",
      `shape [${shape}] of ${dtype} is more than any file can hold`,
      place,
    );
  }
  if (bits % 8 !== 0) {
    throw new CheckpointError(
      "misaligned",
      `shape [${shape}] of ${dtype} takes ${bits} bits, not whole bytes`,
      place,
    );
  }
  if (end - begin !== bits / 8) {
    throw new CheckpointError(
      "size-mismatch",
      `shape [${shape}] of ${dtype} takes ${bits / 8} bytes and its offsets ${begin} to ${end} span ${end - begin}`,
      place,
    );
  }
  return { name, dtype, shape, file, offset: dataStart + begin, byteLength: end - begin };
}
