import type { ReplacedTensor } from "@vlmopt/models";
import { type Checkpoint, fromFloat32, readTensor, tensorNamed, toFloat32 } from "@vlmopt/tensor-io";

/** A stored tensor in F32. */
export async function readFloats(
  source: Checkpoint,
  name: string,
  signal?: AbortSignal,
): Promise<Float32Array> {
  return toFloat32(await readTensor(source, name, signal), tensorNamed(source, name).dtype);
}

/** Numbers as they will be once they are stored in the tensor's dtype. */
export function asStored(source: Checkpoint, name: string, { shape, data }: ReplacedTensor): ReplacedTensor {
  const { dtype } = tensorNamed(source, name);
  return { shape, data: toFloat32(fromFloat32(data, dtype), dtype) };
}

/** A matrix whose columns are multiplied each by its factor. */
export function scaledColumns(data: Float32Array, factors: Float64Array): Float32Array {
  return data.map((value, i) => value * (factors[i % factors.length] as number));
}

/** Units of a tensor that stay: rows, or elements of a bias, `size` to a unit. */
export async function readUnits(
  source: Checkpoint,
  name: string,
  units: readonly number[],
  size: number,
  signal?: AbortSignal,
): Promise<ReplacedTensor> {
  const { shape } = tensorNamed(source, name);
  const data = await readFloats(source, name, signal);
  const width = (data.length / (shape[0] ?? 1)) * size;
  const kept = new Float32Array(units.length * width);
  units.forEach((unit, i) => {
    kept.set(data.subarray(unit * width, (unit + 1) * width), i * width);
  });
  return { shape: [units.length * size, ...shape.slice(1)], data: kept };
}

/** Columns of units: `size` neighbours for each. */
export function columnsOf(units: readonly number[], size: number): number[] {
  return units.flatMap((unit) => Array.from({ length: size }, (_, i) => unit * size + i));
}

/** Some columns of a stored matrix, of which `data` are the numbers. */
export function withColumns(
  source: Checkpoint,
  name: string,
  data: Float32Array,
  columns: readonly number[],
): ReplacedTensor {
  const [rows = 1] = tensorNamed(source, name).shape;
  const stride = data.length / rows;
  const selected = new Float32Array(rows * columns.length);
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * stride, row * columns.length];
    for (let i = 0; i < columns.length; i++) selected[to + i] = data[from + (columns[i] as number)] as number;
  }
  return { shape: [rows, columns.length], data: selected };
}
