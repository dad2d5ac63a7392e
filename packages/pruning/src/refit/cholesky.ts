import type { DenseKernels } from "./dense-kernels.ts";

// Cholesky factors in square tiles of doubles, those of the lower triangle alone, each contiguous and row of tiles after row of tiles. Tiles
// and control may be shared between threads; all of them run the same function, which takes the next tile that nobody has taken.

/** Rows and columns of a tile: two fit into the first cache, and 576 rows are nine. */
export const TILE = 64;
const TILE_LENGTH = TILE * TILE;

export interface CholeskyTiles {
  /** Of the matrix; the tiles go on to the next multiple of TILE as an identity. */
  readonly n: number;
  readonly tiles: Float64Array;
  /** The next task, whether one failed, then for each row of tiles how many of them are done. */
  readonly control: Int32Array;
  /** What each pivot has to be greater than, for the factor to mean something in doubles. */
  readonly leastPivots: Float64Array;
}

export interface FailedPivot {
  readonly column: number;
  readonly value: number;
}

const NEXT = 0;
const FAILED = 1;
const DONE = 2;
/** How long a thread sleeps before it looks whether another failed, in ms. */
const PATIENCE = 50;

/** The lower triangle of A + ridge·I in tiles. */
export function choleskyTiles(
  a: Float32Array | Float64Array,
  n: number,
  ridge: number,
  shared: boolean,
): CholeskyTiles {
  const count = Math.ceil(n / TILE);
  const allocate = (bytes: number) => (shared ? new SharedArrayBuffer(bytes) : new ArrayBuffer(bytes));
  const tiles = new Float64Array(allocate(8 * rowStart(count)));
  const leastPivots = new Float64Array(allocate(8 * count * TILE));
  for (let i = 0; i < count * TILE; i++) {
    const row = Math.floor(i / TILE);
    const place = rowStart(row) + (i % TILE) * TILE;
    if (i >= n) {
      tiles[place + row * TILE_LENGTH + (i % TILE)] = 1;
      continue;
    }
    for (let column = 0; column <= row; column++) {
      const first = i * n + column * TILE;
      const length = Math.min(TILE, i + 1 - column * TILE);
      tiles.set(a.subarray(first, first + length), place + column * TILE_LENGTH);
    }
    const diagonal = place + row * TILE_LENGTH + (i % TILE);
    const value = (tiles[diagonal] as number) + ridge;
    tiles[diagonal] = value;
    leastPivots[i] = n * (Number.EPSILON / 2) * value;
  }
  return { n, tiles, control: new Int32Array(allocate(4 * (DONE + count))), leastPivots };
}

/** Makes the tiles those of L, L·Lᵀ = A, alone or beside other threads. */
export function factorizeTiles(
  { n, tiles, control, leastPivots }: CholeskyTiles,
  kernels: DenseKernels,
): FailedPivot | undefined {
  const count = Math.ceil(n / TILE);
  const own = count * TILE_LENGTH;
  const least = 2 * own;
  const memory = kernels.reserve(least + TILE);
  const tasks = taskOrder(count);
  // Whose tiles lie at the memory's start.
  let above = -1;
  for (;;) {
    const task = tasks[Atomics.add(control, NEXT, 1)];
    if (task === undefined) return undefined;
    const [row, column] = task;
    if (!waitForTiles(control, row, column)) return undefined;
    memory.set(tiles.subarray(rowStart(row), rowStart(row) + (column + 1) * TILE_LENGTH), own);
    const target = own + column * TILE_LENGTH;
    if (row !== column && above !== column) {
      if (!waitForTiles(control, column, column + 1)) return undefined;
      memory.set(tiles.subarray(rowStart(column), rowStart(column + 1)), 0);
      above = column;
    }
    const other = row === column ? own : 0;
    for (let k = 0; k < column; k++) {
      const [left, right] = [own + k * TILE_LENGTH, other + k * TILE_LENGTH];
      kernels.subtractProduct(target, TILE, left, TILE, right, TILE, TILE, TILE, TILE);
    }
    if (row === column) {
      memory.set(leastPivots.subarray(row * TILE, (row + 1) * TILE), least);
      const failed = kernels.factorize(target, TILE, least);
      if (failed !== -1) {
        Atomics.store(control, FAILED, 1);
        return { column: row * TILE + failed, value: memory[target + failed * TILE + failed] as number };
      }
    } else kernels.solveForward(target, column * TILE_LENGTH, TILE, TILE);
    tiles.set(memory.subarray(target, target + TILE_LENGTH), rowStart(row) + column * TILE_LENGTH);
    Atomics.store(control, DONE + row, column + 1);
    Atomics.notify(control, DONE + row);
  }
}

/**
 * Solves X·L·Lᵀ = B for rows of B.
 * @param b `[rows, n]`
 * @param from first column of B that is not zero in all of these rows; what X holds before the tile of that column is not computed
 * @returns X `[rows, n]`
 */
export function solveRows(
  { n, tiles }: CholeskyTiles,
  kernels: DenseKernels,
  b: Float32Array | Float64Array,
  from = 0,
): Float64Array {
  const count = Math.ceil(n / TILE);
  const first = Math.floor(from / TILE);
  const rows = b.length / n;
  const evenRows = rows + (rows % 2);
  const panel = evenRows * TILE;
  const factor = count * panel;
  const transposed = factor + count * TILE_LENGTH;
  const memory = kernels.reserve(transposed + TILE_LENGTH);
  // Column of tiles after column of tiles.
  memory.fill(0, 0, factor);
  for (let i = 0; i < rows; i++) {
    for (let j = first; j < count; j++) {
      const start = i * n + j * TILE;
      memory.set(b.subarray(start, Math.min(start + TILE, (i + 1) * n)), j * panel + i * TILE);
    }
  }
  for (let j = first; j < count; j++) {
    memory.set(tiles.subarray(rowStart(j), rowStart(j + 1)), factor);
    for (let k = first; k < j; k++) {
      const tile = factor + k * TILE_LENGTH;
      kernels.subtractProduct(j * panel, TILE, k * panel, TILE, tile, TILE, evenRows, TILE, TILE);
    }
    kernels.solveForward(j * panel, factor + j * TILE_LENGTH, evenRows, TILE);
  }
  for (let j = count - 1; j >= first; j--) {
    memory.set(tiles.subarray(rowStart(j), rowStart(j + 1)), factor);
    kernels.transpose(transposed, factor + j * TILE_LENGTH, TILE);
    kernels.solveBackward(j * panel, transposed, evenRows, TILE);
    for (let k = first; k < j; k++) {
      kernels.transpose(transposed, factor + k * TILE_LENGTH, TILE);
      kernels.subtractProduct(k * panel, TILE, j * panel, TILE, transposed, TILE, evenRows, TILE, TILE);
    }
  }
  const x = new Float64Array(rows * n);
  for (let i = 0; i < rows; i++) {
    for (let j = first; j < count; j++) {
      const place = j * panel + i * TILE;
      x.set(memory.subarray(place, place + Math.min(TILE, n - j * TILE)), i * n + j * TILE);
    }
  }
  return x;
}

/** Rows `first` to `first + rows` of an identity `[n, n]`. */
export function identityRows(n: number, first: number, rows: number): Float64Array {
  const identity = new Float64Array(rows * n);
  for (let i = 0; i < rows; i++) identity[i * n + first + i] = 1;
  return identity;
}

/** A row of tiles, up to the diagonal. */
export function tileRow(tiles: Float64Array, row: number): Float64Array {
  return tiles.subarray(rowStart(row), rowStart(row + 1));
}

/** Where a row of tiles begins. */
function rowStart(row: number): number {
  return ((row * (row + 1)) / 2) * TILE_LENGTH;
}

/**
 * Row and column of each tile, so that what a tile needs comes before it: column after column, each diagonal tile as soon as its row is
 * ready, since the whole next column waits for it.
 */
function taskOrder(count: number): (readonly [row: number, column: number])[] {
  const tasks: [number, number][] = [[0, 0]];
  for (let column = 0; column < count; column++) {
    for (let row = column + 1; row < count; row++) {
      tasks.push([row, column]);
      if (row === column + 1) tasks.push([row, row]);
    }
  }
  return tasks;
}

/** @returns false where another thread failed, and the tiles will never come */
function waitForTiles(control: Int32Array, row: number, needed: number): boolean {
  for (;;) {
    const done = Atomics.load(control, DONE + row);
    if (done >= needed) return true;
    if (Atomics.load(control, FAILED) === 1) return false;
    Atomics.wait(control, DONE + row, done, PATIENCE);
  }
}
