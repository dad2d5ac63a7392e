import { type CholeskyTiles, choleskyTiles, factorizeTiles } from "./cholesky.ts";
import { denseKernels } from "./dense-kernels.ts";
import {
  type LinearAlgebraOptions,
  notPositiveDefinite,
  requireFinite,
  rowBlocks,
  threadsFor,
} from "./linear-algebra.ts";
import { withRisingRidge } from "./rising-ridge.ts";
import { type RoundedRows, type RoundingGrid, roundRows } from "./round-rows.ts";

export interface RoundingRequest {
  /** Of the inputs `[columns, columns]`. */
  readonly gram: Float32Array | Float64Array;
  readonly columns: number;
  /** What is added to its diagonal, as a part of the diagonal's mean; ten times that as long as the matrix is not positive definite. */
  readonly lambda: number;
}

/** Rounds matrices to the codes of a grid so that what they give changes little. */
export interface Rounding {
  /** The one that was used, and what it adds to the diagonal. */
  readonly lambda: number;
  readonly ridge: number;
  /**
   * @param weight `[rows, columns]`
   * @returns codes, and of each row the error (w − q)·(G + ridge·I)·(w − q)ᵀ
   */
  round(weight: Float32Array | Float64Array, grid: RoundingGrid): Promise<RoundedRows>;
}

/**
 * Prepares rounding under a Gram matrix by GPTQ: columns of greatest inputs first, each error taken over by those behind. Groups stay those of
 * neighbours in the matrix ("static"), so that files need no order.
 * @throws {RangeError} where a number is not finite
 */
export async function roundingUnder(
  { gram, columns: n, lambda: wanted }: RoundingRequest,
  options: LinearAlgebraOptions = {},
): Promise<Rounding> {
  requireFinite(gram, n, "the Gram matrix");
  // L is read from its end.
  const order = Uint32Array.from({ length: n }, (_, i) => i).sort(
    (a, b) => (gram[a * n + a] as number) - (gram[b * n + b] as number) || b - a,
  );
  const ordered = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    const row = (order[i] as number) * n;
    for (let j = 0; j <= i; j++) ordered[i * n + j] = gram[row + (order[j] as number)] as number;
  }
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i] as number;
  const { result, lambda, ridge } = await withRisingRidge(trace / n, wanted, (tried) =>
    factorized(ordered, n, tried, options),
  );
  return { lambda, ridge, round: (weight, grid) => roundBlocks(result, weight, order, grid, options) };
}

/** @throws {RangeError} where A + ridge·I is not positive definite to working precision */
async function factorized(
  a: Float64Array,
  n: number,
  ridge: number,
  options: LinearAlgebraOptions,
): Promise<CholeskyTiles> {
  const threads = await threadsFor(n ** 3 / 6, options);
  const tiles = choleskyTiles(a, n, ridge, true);
  if (threads === 1) {
    const failed = factorizeTiles(tiles, denseKernels());
    if (failed !== undefined) throw notPositiveDefinite(a, n, ridge, failed);
    return tiles;
  }
  const { runThreads } = await import("./linear-algebra-threads.ts");
  const failed = await runThreads(tiles, threads, { count: 0, make: never }, never);
  if (failed !== undefined) throw notPositiveDefinite(a, n, ridge, failed);
  return tiles;
}

async function roundBlocks(
  tiles: CholeskyTiles,
  weight: Float32Array | Float64Array,
  order: Uint32Array,
  grid: RoundingGrid,
  options: LinearAlgebraOptions,
): Promise<RoundedRows> {
  const { n } = tiles;
  const rows = weight.length / n;
  requireFinite(weight, n, "the weight");
  const threads = await threadsFor((rows * n * n) / 2, options);
  const blocks = rowBlocks(rows, threads);
  const codes = new Uint8Array(rows * n);
  const errors = new Float64Array(rows);
  const part = (first: number, count: number) => ({
    weight: weight.slice(first * n, (first + count) * n),
    grid: gridRows(grid, first, count, rows),
  });
  const take = (first: number, rounded: RoundedRows) => {
    codes.set(rounded.codes, first * n);
    errors.set(rounded.errors, first);
  };
  if (threads === 1) {
    const kernels = denseKernels();
    for (const { first, count } of blocks) {
      const own = part(first, count);
      take(first, roundRows(tiles, kernels, own.weight, order, own.grid));
    }
    return { codes, errors };
  }
  const { runThreads } = await import("./linear-algebra-threads.ts");
  await runThreads(
    tiles,
    threads,
    {
      count: blocks.length,
      make(index) {
        const { first, count } = blocks[index] as { first: number; count: number };
        const own = part(first, count);
        return { message: { kind: "round", order, ...own }, transfer: [own.weight.buffer as ArrayBuffer] };
      },
    },
    (index, answer) => {
      if (answer.kind === "rounded") take((blocks[index] as { first: number }).first, answer.rounded);
    },
  );
  return { codes, errors };
}

function gridRows(grid: RoundingGrid, first: number, count: number, rows: number): RoundingGrid {
  const groups = grid.scales.length / rows;
  const part = (values: Float32Array) => values.slice(first * groups, (first + count) * groups);
  return {
    ...grid,
    scales: part(grid.scales),
    ...(grid.zeros === undefined ? {} : { zeros: part(grid.zeros) }),
  };
}

function never(): never {
  throw new Error("nothing was asked for");
}
