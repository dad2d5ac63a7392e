import { denseKernels } from "./dense-kernels.ts";

/** Rows and columns of a matrix that is stored by rows. */
export interface Part {
  readonly values: Float32Array | Float64Array;
  /** Columns of the whole. */
  readonly stride: number;
  readonly rows: ArrayLike<number>;
  readonly columns: ArrayLike<number>;
}

/** Of b at a time, and of the columns of both. */
const BLOCK_ROWS = 256;
const BLOCK_DEPTH = 128;

/** a · bᵀ `[rows of a, rows of b]`, summed in doubles; both have equally many columns. */
export function productTransposed(a: Part, b: Part): Float64Array {
  const [rows, columns, depth] = [a.rows.length, b.rows.length, a.columns.length];
  const product = new Float64Array(rows * columns);
  const kernels = denseKernels();
  const paddedRows = rows + (rows % 2);
  const left = paddedRows * BLOCK_ROWS;
  const right = left + paddedRows * BLOCK_DEPTH;
  const memory = kernels.reserve(right + BLOCK_ROWS * BLOCK_DEPTH);
  for (let first = 0; first < columns; first += BLOCK_ROWS) {
    const block = Math.min(BLOCK_ROWS, columns - first);
    memory.fill(0, 0, left);
    for (let start = 0; start < depth; start += BLOCK_DEPTH) {
      memory.fill(0, left);
      const end = Math.min(start + BLOCK_DEPTH, depth);
      gather(memory, left, a, 0, rows, start, end);
      gather(memory, right, b, first, first + block, start, end);
      kernels.subtractProduct(
        0,
        BLOCK_ROWS,
        left,
        BLOCK_DEPTH,
        right,
        BLOCK_DEPTH,
        paddedRows,
        BLOCK_ROWS,
        BLOCK_DEPTH,
      );
    }
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < block; j++)
        product[i * columns + first + j] = -(memory[i * BLOCK_ROWS + j] as number);
    }
  }
  return product;
}

function gather(
  memory: Float64Array,
  place: number,
  { values, stride, rows, columns }: Part,
  firstRow: number,
  endRow: number,
  start: number,
  end: number,
): void {
  for (let i = firstRow; i < endRow; i++) {
    const row = (rows[i] as number) * stride;
    const target = place + (i - firstRow) * BLOCK_DEPTH - start;
    for (let j = start; j < end; j++) memory[target + j] = values[row + (columns[j] as number)] as number;
  }
}

/** Σ aᵢ·bᵢ. */
export function innerProduct(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

/** tr(A · G · Aᵀ), A being a part and G the square of its columns in a symmetric matrix. */
export function quadraticForm(a: Part, gram: Float32Array | Float64Array, channels: number): number {
  const square: Part = { values: gram, stride: channels, rows: a.columns, columns: a.columns };
  const product = productTransposed(a, square);
  let sum = 0;
  for (let i = 0; i < a.rows.length; i++) {
    const row = (a.rows[i] as number) * a.stride;
    for (let j = 0; j < a.columns.length; j++) {
      sum +=
        (product[i * a.columns.length + j] as number) * (a.values[row + (a.columns[j] as number)] as number);
    }
  }
  return sum;
}
