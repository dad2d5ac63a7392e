import type { LinearAlgebra } from "@vlmopt/models";
import {
  type CholeskyTiles,
  choleskyTiles,
  type FailedPivot,
  factorizeTiles,
  identityRows,
  solveRows,
} from "./cholesky.ts";
import { denseKernels } from "./dense-kernels.ts";
import type { RowRequest } from "./linear-algebra-threads.ts";
import { productTransposed } from "./product.ts";

export interface LinearAlgebraOptions {
  /** Threads that large systems are spread over (default: one a core). The result is the same, to the bit, for any number. */
  readonly workers?: number | undefined;
}

/** Rows that are solved for at a time: enough to read the factor seldom, in 22 MB at 11,008 columns. */
const BLOCK_ROWS = 256;
/** Multiplications from which threads are worth their start. */
const LARGE = 4e9;

/**
 * Linear algebra that runs everywhere: Cholesky factors in tiles of doubles, in WebAssembly. Beside A and B it holds the factor's lower
 * triangle, 4·n² bytes (485 MB at 11,008 columns), the result, and some rows a thread. What takes less than a second or so runs in the calling thread.
 */
export function linearAlgebra(options: LinearAlgebraOptions = {}): Required<LinearAlgebra> {
  return {
    async solve(a, n, ridge, b) {
      requireSquare(a, n, ridge);
      if (n === 0 || b.length % n !== 0) {
        throw new RangeError(`B holds ${b.length} numbers, which are no rows of ${n} columns`);
      }
      requireFinite(b, n, "B");
      const rows = b.length / n;
      const x = b instanceof Float32Array ? new Float32Array(b.length) : new Float64Array(b.length);
      await run(a, n, ridge, n ** 3 / 6 + rows * n * n, options, {
        rows,
        part(tiles, kernels, first, count) {
          return solveRows(tiles, kernels, b.subarray(first * n, (first + count) * n));
        },
        request(first, count) {
          const part = b.slice(first * n, (first + count) * n);
          return { message: { kind: "solve", b: part }, transfer: [part.buffer as ArrayBuffer] };
        },
        take: (first, part) => x.set(part, first * n),
      });
      return x;
    },
    async invert(a, n, ridge) {
      requireSquare(a, n, ridge);
      const inverse = new Float64Array(n * n);
      await run(a, n, ridge, n ** 3 / 2, options, {
        rows: n,
        part(tiles, kernels, first, count) {
          return solveRows(tiles, kernels, identityRows(n, first, count), first);
        },
        request: (first, rows) => ({ message: { kind: "invert", first, rows }, transfer: [] }),
        // An inverse is symmetric, and what stands before these rows was computed with earlier ones.
        take(first, part) {
          for (let i = first; i < first + part.length / n; i++) {
            for (let j = i; j < n; j++) {
              const value = part[(i - first) * n + j] as number;
              inverse[i * n + j] = value;
              inverse[j * n + i] = value;
            }
          }
        },
      });
      return inverse;
    },
    async multiply(a, b, depth) {
      if (!(depth > 0) || a.length % depth !== 0 || b.length % depth !== 0) {
        throw new RangeError(`factors of ${a.length} and ${b.length} numbers are no rows of ${depth}`);
      }
      const [rows, columns] = [a.length / depth, b.length / depth];
      const threads = await threadsFor(rows * columns * depth, options);
      if (threads === 1) return productTransposed(denseKernels(), a, b, depth);
      const product = new Float64Array(rows * columns);
      const buffer = new SharedArrayBuffer(b.byteLength);
      const shared = b instanceof Float32Array ? new Float32Array(buffer) : new Float64Array(buffer);
      shared.set(b);
      const block = blockOf(rows, threads);
      const { runThreads } = await import("./linear-algebra-threads.ts");
      await runThreads(
        undefined,
        threads,
        {
          count: Math.ceil(rows / block),
          make(index) {
            const part = a.slice(index * block * depth, (index + 1) * block * depth);
            const message = { kind: "multiply", a: part, b: shared, depth } as const;
            return { message, transfer: [part.buffer as ArrayBuffer] };
          },
        },
        (index, answer) => {
          if (answer.kind === "rows") product.set(answer.rows, index * block * columns);
        },
      );
      return product;
    },
  };
}

/** Rows of the result, block by block, here or in a thread. */
interface Rows {
  readonly rows: number;
  part(
    tiles: CholeskyTiles,
    kernels: ReturnType<typeof denseKernels>,
    first: number,
    count: number,
  ): Float64Array;
  request(first: number, count: number): RowRequest;
  take(first: number, part: Float64Array): void;
}

async function run(
  a: Float32Array | Float64Array,
  n: number,
  ridge: number,
  multiplications: number,
  options: LinearAlgebraOptions,
  { rows, part, request, take }: Rows,
): Promise<void> {
  const threads = await threadsFor(multiplications, options);
  const tiles = choleskyTiles(a, n, ridge, threads > 1);
  let failed: FailedPivot | undefined;
  if (threads === 1) {
    const kernels = denseKernels();
    failed = factorizeTiles(tiles, kernels);
    if (failed !== undefined) throw notPositiveDefinite(a, n, ridge, failed);
    for (let first = 0; first < rows; first += BLOCK_ROWS) {
      take(first, part(tiles, kernels, first, Math.min(BLOCK_ROWS, rows - first)));
    }
    return;
  }
  const block = blockOf(rows, threads);
  const { runThreads } = await import("./linear-algebra-threads.ts");
  failed = await runThreads(
    tiles,
    threads,
    {
      count: Math.ceil(rows / block),
      make: (index) => request(index * block, Math.min(block, rows - index * block)),
    },
    (index, answer) => {
      if (answer.kind === "rows") take(index * block, answer.rows);
    },
  );
  if (failed !== undefined) throw notPositiveDefinite(a, n, ridge, failed);
}

/** Rows for one thread after the other. */
export function rowBlocks(
  rows: number,
  threads: number,
): { readonly first: number; readonly count: number }[] {
  const block = blockOf(rows, threads);
  return Array.from({ length: Math.ceil(rows / block) }, (_, index) => ({
    first: index * block,
    count: Math.min(block, rows - index * block),
  }));
}

/** An even number, as the kernels take rows. */
function blockOf(rows: number, threads: number): number {
  return Math.min(BLOCK_ROWS, 2 * Math.ceil(rows / threads / 2));
}

export async function threadsFor(
  multiplications: number,
  { workers }: LinearAlgebraOptions,
): Promise<number> {
  return multiplications < LARGE ? 1 : Math.max(1, workers ?? (await cores()));
}

async function cores(): Promise<number> {
  const { availableParallelism } = await import("node:os");
  return availableParallelism();
}

export function notPositiveDefinite(
  a: Float32Array | Float64Array,
  n: number,
  ridge: number,
  { column, value }: FailedPivot,
): RangeError {
  let greatest = 0;
  for (let i = 0; i < n; i++) greatest = Math.max(greatest, Math.abs(a[i * n + i] as number));
  // What rounding sums to F32 takes from the least eigenvalue: a random matrix of errors has a norm of some √n of them.
  const enough = Math.max(10 * ridge, 2 * Math.abs(value), greatest * Math.sqrt(n) * 2 ** -23) || 1;
  const digits = (figure: number) => String(Number(figure.toPrecision(3)));
  return new RangeError(
    `the matrix of ${n} columns with a ridge of ${ridge} is not positive definite: pivot ${column} is ${digits(value)}; take a ridge of ${digits(enough)} or more`,
  );
}

function requireSquare(a: Float32Array | Float64Array, n: number, ridge: number): void {
  if (a.length !== n * n) throw new RangeError(`A holds ${a.length} numbers, and ${n} columns take ${n * n}`);
  if (!(ridge >= 0 && ridge < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`a ridge of ${ridge} is no number from 0 on`);
  }
  requireFinite(a, n, "A");
}

/** @throws {RangeError} that names the first element that is not finite */
export function requireFinite(values: Float32Array | Float64Array, columns: number, name: string): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    // Infinity and NaN are what a difference with itself shows.
    if (value - value !== 0) {
      throw new RangeError(
        columns === 1
          ? `${name} is ${value} at ${i}`
          : `${name} is ${value} in row ${Math.floor(i / columns)}, column ${i % columns}`,
      );
    }
  }
}
