import type { DenseKernels } from "./dense-kernels.ts";

/** Rows of b at a time, and numbers of each. */
const BLOCK_ROWS = 256;
const BLOCK_DEPTH = 128;

/** a `[rows, depth]` · b `[columns, depth]`ᵀ, summed in doubles. */
export function productTransposed(
  kernels: DenseKernels,
  a: Float32Array | Float64Array,
  b: Float32Array | Float64Array,
  depth: number,
): Float64Array {
  const [rows, columns] = [a.length / depth, b.length / depth];
  const product = new Float64Array(rows * columns);
  const evenRows = rows + (rows % 2);
  const left = evenRows * BLOCK_ROWS;
  const right = left + evenRows * BLOCK_DEPTH;
  const memory = kernels.reserve(right + BLOCK_ROWS * BLOCK_DEPTH);
  for (let first = 0; first < columns; first += BLOCK_ROWS) {
    const block = Math.min(BLOCK_ROWS, columns - first);
    memory.fill(0, 0, left);
    for (let start = 0; start < depth; start += BLOCK_DEPTH) {
      memory.fill(0, left);
      gather(left, a, 0, rows, start);
      gather(right, b, first, block, start);
      const [target, strideC, stride] = [0, BLOCK_ROWS, BLOCK_DEPTH];
      kernels.subtractProduct(
        target,
        strideC,
        left,
        stride,
        right,
        stride,
        evenRows,
        BLOCK_ROWS,
        BLOCK_DEPTH,
      );
    }
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < block; j++) {
        product[i * columns + first + j] = 0 - (memory[i * BLOCK_ROWS + j] as number);
      }
    }
  }
  return product;

  function gather(
    place: number,
    values: Float32Array | Float64Array,
    first: number,
    count: number,
    start: number,
  ): void {
    const end = Math.min(start + BLOCK_DEPTH, depth);
    for (let i = 0; i < count; i++) {
      const row = (first + i) * depth;
      memory.set(values.subarray(row + start, row + end), place + i * BLOCK_DEPTH);
    }
  }
}
