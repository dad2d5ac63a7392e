import { type Checkpoint, elementCount, readRows, tensorNamed, toFloat32 } from "@vlmopt/tensor-io";
import { assertFinite, NonFiniteWeightError } from "../weights.ts";
import type { ConvertibleTensor } from "./convertible-tensor.ts";
import { encodeGgml } from "./ggml-type.ts";
import { GgufError } from "./gguf-error.ts";

/** Weights read and encoded at once: 4 MB as F32. */
const CHUNK_WEIGHTS = 1024 * 1024;
const LARGEST_HALF = 65_504;

/**
 * Reads a tensor of a checkpoint in pieces of whole rows and yields each as the GGUF file stores it.
 * @throws {GgufError} for weights that are infinite, NaN or past the range of F16, by tensor and place
 */
export async function* encodedRows(
  checkpoint: Checkpoint,
  { source, type, headDim, offset = 0 }: ConvertibleTensor,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { shape, dtype } = tensorNamed(checkpoint, source);
  const rows = shape[0] ?? 1;
  const rowLength = elementCount(shape.slice(1));
  const together = headDim ?? 1;
  const rowsAtOnce = Math.max(1, Math.floor(CHUNK_WEIGHTS / (rowLength * together))) * together;
  for (let begin = 0; begin < rows; begin += rowsAtOnce) {
    const bytes = await readRows(checkpoint, source, begin, Math.min(rows, begin + rowsAtOnce), signal);
    const stored = toFloat32(bytes, dtype);
    const weights = offset === 0 ? stored : stored.map((weight) => weight + offset);
    assertEncodable(weights, type === "F16", { source, first: begin * rowLength, rowLength });
    const ordered = headDim === undefined ? weights : interleaveHeads(weights, headDim, rowLength);
    yield named(source, () => encodeGgml(type, ordered));
  }
}

/**
 * Rows of queries or keys in the order that llama.cpp's rotary embedding wants. transformers turns row i of a head together with row
 * i + headDim / 2; llama.cpp turns neighbours, so the halves are interleaved.
 * @param weights rows of whole heads
 */
export function interleaveHeads(weights: Float32Array, headDim: number, rowLength: number): Float32Array {
  const result = new Float32Array(weights.length);
  const half = headDim / 2;
  const rows = weights.length / rowLength;
  for (let row = 0; row < rows; row++) {
    const within = row % headDim;
    const to = row - within + (within < half ? 2 * within : 2 * (within - half) + 1);
    result.set(weights.subarray(row * rowLength, (row + 1) * rowLength), to * rowLength);
  }
  return result;
}

function assertEncodable(
  weights: Float32Array,
  isHalf: boolean,
  { source, first, rowLength }: { source: string; first: number; rowLength: number },
): void {
  let largest = 0;
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const magnitude = Math.abs(weights[i] as number);
    if (magnitude > largest) largest = magnitude;
    // Infinity and NaN times zero are NaN, and stay.
    sum += magnitude * 0;
  }
  const place = (index: number) =>
    `weight [${Math.floor((first + index) / rowLength)}, ${(first + index) % rowLength}]`;
  if (sum !== 0) {
    try {
      assertFinite(weights, 0);
    } catch (error) {
      if (!(error instanceof NonFiniteWeightError)) throw error;
      throw new GgufError(
        `${source}: ${place(error.index)} is ${error.value}, which cannot be converted`,
        "mend the checkpoint",
      );
    }
  }
  if (isHalf && largest > LARGEST_HALF) {
    const index = weights.findIndex((weight) => Math.abs(weight) > LARGEST_HALF);
    throw new GgufError(
      `${source}: ${place(index)} is ${weights[index]}, past the range of F16`,
      "ask for F32",
    );
  }
}

function named<T>(source: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof RangeError) throw new GgufError(`${source}: ${error.message}`);
    throw error;
  }
}
