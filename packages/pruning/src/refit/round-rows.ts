import { type CholeskyTiles, TILE, tileRow } from "./cholesky.ts";
import type { DenseKernels } from "./dense-kernels.ts";

/** What the codes of a matrix stand for: scale · (level − zero), with a scale and a zero for each group of a row. */
export interface RoundingGrid {
  /** Ascending numbers, one a code; at most 256. */
  readonly levels: Float32Array;
  /** Neighbouring columns under one scale. */
  readonly groupSize: number;
  /** `[rows, groups]`. */
  readonly scales: Float32Array;
  /** On the scale of levels `[rows, groups]`; 0 without any. */
  readonly zeros?: Float32Array | undefined;
}

export interface RoundedRows {
  /** `[rows, columns]`. */
  readonly codes: Uint8Array;
  /** Of each row, Σ (e·Lⱼⱼ)²: its error under L·Lᵀ. */
  readonly errors: Float64Array;
}

/**
 * GPTQ (arXiv:2210.17323): each weight is rounded in turn, and those that are not yet rounded move to where they best make up for it. In terms of the
 * factor L of H = L·Lᵀ that is a backward substitution (w − q)·L with rounding in it: column j, the last first, sees its weight plus
 * Σ_{i > j} (wᵢ − qᵢ)·L_ij / L_jj. The inverse of H, of which the paper takes the factor, is not needed.
 * @param tiles L, in the order of `order`
 * @param weight `[rows, columns]`
 * @param order the column of each place of L; the last is rounded first
 */
export function roundRows(
  { n, tiles }: CholeskyTiles,
  kernels: DenseKernels,
  weight: Float32Array | Float64Array,
  order: ArrayLike<number>,
  { levels, groupSize, scales, zeros }: RoundingGrid,
): RoundedRows {
  const count = Math.ceil(n / TILE);
  const rows = weight.length / n;
  const groups = Math.ceil(n / groupSize);
  const evenRows = rows + (rows % 2);
  const panel = evenRows * TILE;
  const factor = count * panel;
  const transposed = factor + count * TILE * TILE;
  // Of each column of tiles first what earlier roundings ask for, then minus the errors of its own.
  const memory = kernels.reserve(transposed + TILE * TILE);
  memory.fill(0, 0, factor);
  const codes = new Uint8Array(rows * n);
  const errors = new Float64Array(rows);
  const thresholds = Float64Array.from(
    { length: levels.length - 1 },
    (_, i) => ((levels[i] as number) + (levels[i + 1] as number)) / 2,
  );
  const isWhole = levels.every((level, code) => level === code);
  const top = levels.length - 1;
  for (let t = count - 1; t >= 0; t--) {
    memory.set(tileRow(tiles, t), factor);
    const own = factor + t * TILE * TILE;
    for (let row = 0; row < rows; row++) {
      const asked = t * panel + row * TILE;
      let error = 0;
      for (let j = Math.min(TILE, n - t * TILE) - 1; j >= 0; j--) {
        const pivot = memory[own + j * TILE + j] as number;
        const column = order[t * TILE + j] as number;
        const w = weight[row * n + column] as number;
        const moved = w + (memory[asked + j] as number) / pivot;
        const group = row * groups + Math.floor(column / groupSize);
        const scale = scales[group] as number;
        const zero = zeros === undefined ? 0 : (zeros[group] as number);
        const scaled = scale === 0 ? 0 : moved / scale + zero;
        const code = isWhole ? Math.max(0, Math.min(top, Math.round(scaled))) : rankOf(scaled, thresholds);
        const rounded = scale * ((levels[code] as number) - zero);
        codes[row * n + column] = code;
        error += ((moved - rounded) * pivot) ** 2;
        const lost = w - rounded;
        for (let k = 0; k < j; k++) {
          memory[asked + k] = (memory[asked + k] as number) + lost * (memory[own + j * TILE + k] as number);
        }
        memory[asked + j] = -lost;
      }
      errors[row] = (errors[row] as number) + error;
    }
    for (let k = 0; k < t; k++) {
      kernels.transpose(transposed, factor + k * TILE * TILE, TILE);
      kernels.subtractProduct(k * panel, TILE, t * panel, TILE, transposed, TILE, evenRows, TILE, TILE);
    }
  }
  return { codes, errors };
}

/** The number of thresholds below. */
function rankOf(scaled: number, thresholds: Float64Array): number {
  let [low, high] = [0, thresholds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (scaled > (thresholds[middle] as number)) low = middle + 1;
    else high = middle;
  }
  return low;
}
