import type { LinearAlgebra } from "@vlmopt/models";
import { denseKernels } from "./dense-kernels.ts";
import { linearAlgebra } from "./linear-algebra.ts";

/** Groups of columns that are eliminated together, such as those of a head. */
export interface GroupElimination {
  /** Least Σ‖change of the output‖² for which a group goes once the others make up for it; NaN where H⁻¹ is not positive definite. */
  cost(group: number): number;
  eliminate(group: number): void;
}

/**
 * With K = H⁻¹ and Q = Wᵀ·W the group S costs tr(K_SS⁻¹·Q_SS). After it is gone, with C = K_SS⁻¹·K_S: and M = Q_S: − ½·Q_SS·C,
 * K ← K − K_:S·C and Q ← Q − Cᵀ·M − Mᵀ·C. Only the blocks on the diagonals follow at once. The rows of a group follow when it goes, so
 * that a removal takes some n·s² operations for groups of s columns instead of n²·s.
 * @param inverse H⁻¹ `[columns, columns]`
 * @param weight `[outFeatures, columns]`
 * @param unit columns of a group
 */
export async function groupElimination(
  inverse: Float64Array,
  weight: Float32Array | Float64Array,
  outFeatures: number,
  unit: number,
  algebra: LinearAlgebra,
): Promise<GroupElimination> {
  const columns = weight.length / outFeatures;
  const groups = columns / unit;
  const transposed = transposedOf(weight, outFeatures, columns);
  const multiply = algebra.multiply ?? linearAlgebra().multiply;
  const squares = await multiply(transposed, transposed, outFeatures);

  const kernels = denseKernels();
  // The kernels take sizes that 4 divides: columns behind a group's own are those of the identity in K, and zeros in Q.
  const size = Math.ceil(unit / 4) * 4;
  const block = size * size;
  const rows = groups * size;
  const strip = rows * size;
  const [K, Q, least] = [0, groups * block, 2 * groups * block];
  const [L, U, X] = [least + size, least + size + block, least + size + 2 * block];
  const strips = X + block;
  let memory = kernels.reserve(strips);
  memory.fill(0, 0, strips);
  for (let group = 0; group < groups; group++) {
    gather(K + group * block, inverse, group, group, 1);
    gather(Q + group * block, squares, group, group, 0);
  }
  /** Of each elimination the places of K_SS's share L⁻¹·K_S:, of C and of M, each transposed, `[rows, size]`. */
  const gone: { readonly v: number; readonly c: number; readonly m: number }[] = [];

  /** Rows of one group and columns of another. */
  function gather(
    place: number,
    square: Float32Array | Float64Array,
    rowGroup: number,
    columnGroup: number,
    padding: number,
  ) {
    for (let i = 0; i < size; i++) {
      const row = (rowGroup * unit + i) * columns + columnGroup * unit;
      for (let j = 0; j < size; j++) {
        const inside = i < unit && j < unit;
        const outside = i === j && rowGroup === columnGroup ? padding : 0;
        memory[place + i * size + j] = inside ? (square[row + j] as number) : outside;
      }
    }
  }

  /** L and its transpose, of K_SS. */
  function factorize(group: number): boolean {
    memory.copyWithin(L, K + group * block, K + (group + 1) * block);
    if (kernels.factorize(L, size, least) !== -1) return false;
    kernels.transpose(U, L, size);
    return true;
  }

  /** c −= a · bᵀ, all with rows of `size`. */
  function subtract(c: number, a: number, b: number, count: number) {
    kernels.subtractProduct(c, size, a, size, b, size, count, size, size);
  }

  return {
    cost(group) {
      if (!factorize(group)) return Number.NaN;
      memory.copyWithin(X, Q + group * block, Q + (group + 1) * block);
      kernels.solveForward(X, L, size, size);
      kernels.solveBackward(X, U, size, size);
      let trace = 0;
      for (let i = 0; i < size; i++) trace += memory[X + i * size + i] as number;
      return trace;
    },
    eliminate(group) {
      const [v, c, m] = [0, 1, 2].map((n) => strips + (3 * gone.length + n) * strip) as [
        number,
        number,
        number,
      ];
      memory = kernels.reserve(m + strip);
      for (let other = 0; other < groups; other++) {
        gather(v + other * block, inverse, other, group, 1);
        gather(m + other * block, squares, other, group, 0);
      }
      const own = group * block;
      for (const earlier of gone) {
        subtract(v, earlier.v, earlier.v + own, rows);
        subtract(m, earlier.c, earlier.m + own, rows);
        subtract(m, earlier.m, earlier.c + own, rows);
      }
      factorize(group);
      kernels.solveForward(v, L, rows, size);
      memory.copyWithin(c, v, v + strip);
      kernels.solveBackward(c, U, rows, size);
      for (let i = 0; i < block; i++) memory[X + i] = (memory[m + own + i] as number) / 2;
      subtract(m, c, X, rows);
      for (let other = 0; other < groups; other++) {
        const [k, q, at] = [K + other * block, Q + other * block, other * block];
        subtract(k, v + at, v + at, size);
        subtract(q, c + at, m + at, size);
        subtract(q, m + at, c + at, size);
      }
      gone.push({ v, c, m });
    },
  };
}

function transposedOf(
  weight: Float32Array | Float64Array,
  rows: number,
  columns: number,
): Float32Array | Float64Array {
  const transposed =
    weight instanceof Float32Array ? new Float32Array(weight.length) : new Float64Array(weight.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) transposed[j * rows + i] = weight[i * columns + j] as number;
  }
  return transposed;
}
