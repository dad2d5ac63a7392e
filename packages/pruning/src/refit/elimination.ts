import { denseKernels } from "./dense-kernels.ts";

/**
 * A weight W and the inverse H⁻¹ of its inputs' Hessian, out of which columns are eliminated: after column p is gone, the weights of the
 * others have moved to where the output changes least, W ← W − W_p·(H⁻¹)_p / (H⁻¹)_pp, and H⁻¹ is the inverse of what is left of H.
 */
export interface Elimination {
  /** (H⁻¹)_jj of each column that is left, by its number. */
  readonly diagonal: Float64Array;
  /** ‖W_j‖², exact after eliminations that update them, and after every 64th. */
  readonly norms: Float64Array;
  /** Least Σ‖change of the output‖² for which a column goes: ‖W_p‖² / (H⁻¹)_pp, exact. */
  cost(column: number): number;
  eliminate(column: number, updateNorms: boolean): void;
}

/** Eliminations that wait before the matrices change, so that this is a product of matrices. */
const PENDING = 64;
/** Rows of H⁻¹ that are updated together, up to the diagonal. */
const BLOCK = 64;

/**
 * @param inverse H⁻¹ `[columns, columns]`
 * @param weight `[outFeatures, columns]`
 */
export function elimination(
  inverse: Float64Array,
  columns: number,
  weight: Float32Array | Float64Array,
  outFeatures: number,
): Elimination {
  const kernels = denseKernels();
  const depth = Math.ceil(outFeatures / 4) * 4;
  const most = Math.ceil(columns / 4) * 4;
  // H⁻¹ (what its upper triangle holds is not read), Wᵀ, and of pending eliminations h/√h_p and W_p/√h_p, the latter both ways.
  let place = 0;
  const reserved = (length: number) => {
    place += length;
    return place - length;
  };
  const [H, W] = [reserved(most * most), reserved(most * depth)];
  const [V, Q, QT] = [reserved(most * PENDING), reserved(PENDING * depth), reserved(depth * PENDING)];
  const [h, w, d, g] = [reserved(most), reserved(depth), reserved(most), reserved(PENDING)];
  const memory = kernels.reserve(place);

  // Columns that the matrices hold, by their places, and the other way round.
  let order = Uint32Array.from({ length: columns }, (_, i) => i);
  const places = order.slice();
  const gone = new Uint8Array(columns);
  let stride = most;
  let pending = 0;
  // The place that `current` was last called for, if nothing has changed since.
  let held = -1;
  const diagonal = new Float64Array(columns);
  const norms = new Float64Array(columns);
  for (let i = 0; i < columns; i++)
    memory.set(inverse.subarray(i * columns, i * columns + i + 1), H + i * stride);
  for (let i = 0; i < outFeatures; i++) {
    for (let j = 0; j < columns; j++) memory[W + j * depth + i] = weight[i * columns + j] as number;
  }
  measure();

  function at(index: number): number {
    return memory[index] as number;
  }

  function measure(): void {
    for (const [p, column] of order.entries()) {
      diagonal[column] = at(H + p * stride + p);
      let sum = 0;
      for (let i = W + p * depth; i < W + (p + 1) * depth; i++) sum += at(i) * at(i);
      norms[column] = sum;
    }
  }

  /** Row p of both matrices as they are after all eliminations, to `h` and `w`. */
  function current(p: number): void {
    if (p === held) return;
    held = p;
    memory.copyWithin(h, H + p * stride, H + p * stride + p + 1);
    for (let i = p + 1; i < order.length; i++) memory[h + i] = at(H + i * stride + p);
    memory.fill(0, h + order.length, h + stride);
    memory.copyWithin(w, W + p * depth, W + (p + 1) * depth);
    const waiting = pending + (pending % 2);
    kernels.subtractMatrixVector(h, V, PENDING, V + p * PENDING, stride, waiting);
    kernels.subtractMatrixVector(w, QT, PENDING, V + p * PENDING, depth, waiting);
  }

  function squaresOf(first: number, length: number): number {
    let sum = 0;
    for (let i = first; i < first + length; i++) sum += at(i) * at(i);
    return sum;
  }

  /** ‖W_j − h_j·w‖² = ‖W_j‖² − 2·h_j·(W_j·w) + h_j²·‖w‖², both h and w divided by √h_p. */
  function moveNorms(): void {
    const waiting = pending + (pending % 2);
    memory.fill(0, d, d + stride);
    memory.fill(0, g, g + PENDING);
    kernels.subtractMatrixVector(g, Q, depth, w, waiting, depth);
    kernels.subtractMatrixVector(d, W, depth, w, stride, depth);
    kernels.subtractMatrixVector(d, V, PENDING, g, stride, waiting);
    const square = squaresOf(w, depth);
    for (const [p, column] of order.entries()) {
      const factor = at(h + p);
      norms[column] = (norms[column] as number) + factor * (2 * at(d + p) + factor * square);
    }
  }

  /** Brings matrices and norms up to date. */
  function settle(): void {
    if (pending === 0) return;
    held = -1;
    compact();
    for (let row = 0; row < stride; row += BLOCK) {
      const rows = Math.min(BLOCK, stride - row);
      const target = H + row * stride;
      kernels.subtractProduct(
        target,
        stride,
        V + row * PENDING,
        PENDING,
        V,
        PENDING,
        rows,
        row + rows,
        PENDING,
      );
    }
    kernels.subtractProduct(W, depth, V, PENDING, QT, PENDING, stride, depth, PENDING);
    memory.fill(0, V, h);
    pending = 0;
    measure();
  }

  /** Moves what is left together, towards the start. */
  function compact(): void {
    const stays = order.filter((column) => gone[column] === 0);
    const to = Math.ceil(stays.length / 4) * 4;
    for (const [p, column] of stays.entries()) {
      const from = places[column] as number;
      for (let j = 0; j <= p; j++)
        memory[H + p * to + j] = at(H + from * stride + (places[stays[j] as number] as number));
      memory.copyWithin(W + p * depth, W + from * depth, W + (from + 1) * depth);
      memory.copyWithin(V + p * PENDING, V + from * PENDING, V + (from + 1) * PENDING);
    }
    for (const [p, column] of stays.entries()) places[column] = p;
    memory.fill(0, V + stays.length * PENDING, V + to * PENDING);
    memory.fill(0, W + stays.length * depth, W + to * depth);
    order = stays;
    stride = to;
  }

  return {
    diagonal,
    norms,
    cost(column) {
      const p = places[column] as number;
      current(p);
      return squaresOf(w, depth) / at(h + p);
    },
    eliminate(column, updateNorms) {
      const p = places[column] as number;
      current(p);
      const scale = 1 / Math.sqrt(at(h + p));
      for (let i = h; i < h + order.length; i++) memory[i] = at(i) * scale;
      for (let i = w; i < w + depth; i++) memory[i] = at(i) * scale;
      for (const [i, other] of order.entries())
        diagonal[other] = (diagonal[other] as number) - at(h + i) ** 2;
      if (updateNorms) moveNorms();
      for (let i = 0; i < order.length; i++) memory[V + i * PENDING + pending] = at(h + i);
      for (let i = 0; i < depth; i++) {
        memory[Q + pending * depth + i] = at(w + i);
        memory[QT + i * PENDING + pending] = at(w + i);
      }
      gone[column] = 1;
      held = -1;
      if (++pending === PENDING) settle();
    },
  };
}
