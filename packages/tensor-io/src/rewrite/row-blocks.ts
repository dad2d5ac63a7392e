import { bitsPerElement, byteLengthOf } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { TensorSpec } from "../tensor-info.ts";
import type { Selection } from "./edit.ts";

/** Bytes taken through an edit at once: large enough that calls cost nothing, small enough to stay in a core's cache. */
export const BLOCK_BYTES = 1024 * 1024;
/** Rows left out are read all the same where they are fewer bytes than this: one long read beats many short ones. */
const WORTH_SKIPPING_BYTES = 128 * 1024;

/** Rows `[begin, end)` of a tensor, of which `kept` stay (absent: all). */
export interface RowBlock {
  readonly begin: number;
  readonly end: number;
  readonly kept?: Uint32Array;
}

export interface RowGeometry {
  readonly rowCount: number;
  readonly rowBytes: number;
}

/**
 * Rows of a tensor and bytes of each. A tensor whose rows do not fill whole bytes, or that is empty, counts as one row.
 */
export function rowGeometry(tensor: TensorSpec): RowGeometry {
  const rowCount = tensor.shape[0] ?? 1;
  const rowBytes = byteLengthOf(tensor.dtype, tensor.shape.slice(1));
  if (rowCount > 0 && Number.isInteger(rowBytes) && rowBytes > 0) return { rowCount, rowBytes };
  return { rowCount: 1, rowBytes: byteLengthOf(tensor.dtype, tensor.shape) };
}

/** Blocks of some `BLOCK_BYTES` each that together hold the selected rows. */
export function* rowBlocks({ rowCount, rowBytes }: RowGeometry, rows?: Uint32Array): Generator<RowBlock> {
  const rowsPerBlock = Math.max(1, Math.floor(BLOCK_BYTES / Math.max(1, rowBytes)));
  if (rows === undefined) {
    for (let begin = 0; begin < rowCount; begin += rowsPerBlock) {
      yield { begin, end: Math.min(rowCount, begin + rowsPerBlock) };
    }
    return;
  }
  const widestGap = Math.max(1, Math.floor(WORTH_SKIPPING_BYTES / Math.max(1, rowBytes)));
  for (let first = 0; first < rows.length; ) {
    const begin = rows[first] ?? 0;
    let last = first;
    while (last + 1 < rows.length) {
      const next = rows[last + 1] ?? 0;
      if (next - begin >= rowsPerBlock || next - (rows[last] ?? 0) > widestGap) break;
      last++;
    }
    yield { begin, end: (rows[last] ?? 0) + 1, kept: rows.subarray(first, last + 1) };
    first = last + 1;
  }
}

/** Moves the kept rows of `block` to the front of `bytes` and returns that part. */
export function keepRows(bytes: Uint8Array, block: RowBlock, rowBytes: number): Uint8Array {
  const { kept, begin } = block;
  if (kept === undefined) return bytes;
  for (let i = 0; i < kept.length; ) {
    const from = kept[i] ?? 0;
    let run = 1;
    while (i + run < kept.length && kept[i + run] === from + run) run++;
    const offset = (from - begin) * rowBytes;
    if (from - begin !== i) bytes.copyWithin(i * rowBytes, offset, offset + run * rowBytes);
    i += run;
  }
  return bytes.subarray(0, kept.length * rowBytes);
}

/**
 * A function that gathers `columns` from rows of `tensor`; the array it returns is reused by the next call.
 * @throws {CheckpointError} `misaligned` for sub-byte elements.
 */
export function columnGatherer(tensor: TensorSpec, columns: Uint32Array): (rows: Uint8Array) => Uint8Array {
  const elementBytes = bitsPerElement(tensor.dtype) / 8;
  if (!Number.isInteger(elementBytes)) {
    throw new CheckpointError("misaligned", `columns of ${tensor.dtype} do not start at whole bytes`, {
      tensor: tensor.name,
    });
  }
  // Elements move as bit patterns, 8-byte ones as pairs of words: a float register could change a NaN's.
  const words = Math.max(1, elementBytes / 4);
  const wordBytes = elementBytes / words;
  const indices = words === 1 ? columns : Uint32Array.from([...columns].flatMap((c) => [c * 2, c * 2 + 1]));
  const width = (tensor.shape[1] ?? 0) * words;
  let result = new Uint8Array(0);
  return (bytes) => {
    const rows = bytes.byteLength / (width * wordBytes);
    const length = rows * indices.length * wordBytes;
    if (result.byteLength < length) result = new Uint8Array(length);
    gather(wordView(bytes, wordBytes), wordView(result, wordBytes), indices, rows, width);
    return result.subarray(0, length);
  };
}

type Words = Uint8Array | Uint16Array | Uint32Array;

function gather(source: Words, target: Words, columns: Uint32Array, rows: number, width: number): void {
  const count = columns.length;
  for (let row = 0, out = 0; row < rows; row++) {
    const start = row * width;
    for (let i = 0; i < count; i++) target[out++] = source[start + (columns[i] as number)] as number;
  }
}

function wordView(bytes: Uint8Array, wordBytes: number): Words {
  if (wordBytes === 1) return bytes;
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % wordBytes === 0 ? bytes : bytes.slice();
  const length = Math.floor(byteLength / wordBytes);
  return wordBytes === 2
    ? new Uint16Array(buffer, byteOffset, length)
    : new Uint32Array(buffer, byteOffset, length);
}

/** Selects rows and columns of blocks that pass by in order, for a selection behind another stage. */
export function blockSelector(tensor: TensorSpec, selection: Selection): (rows: Uint8Array) => Uint8Array {
  const { rowBytes } = rowGeometry(tensor);
  const { rows, columns } = selection;
  const gatherColumns = columns === undefined ? undefined : columnGatherer(tensor, columns);
  let begin = 0;
  let first = 0;
  return (bytes) => {
    const end = begin + bytes.byteLength / rowBytes;
    let selected = bytes;
    if (rows !== undefined) {
      let last = first;
      while (last < rows.length && (rows[last] as number) < end) last++;
      selected = keepRows(bytes, { begin, end, kept: rows.subarray(first, last) }, rowBytes);
      first = last;
    }
    begin = end;
    return gatherColumns === undefined ? selected : gatherColumns(selected);
  };
}
