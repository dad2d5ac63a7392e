import type { InputStatistics, LinearAlgebra } from "@vlmopt/models";
import { linearAlgebra } from "@vlmopt/pruning";

/** Rows whose error is measured. */
const MEASURED_ROWS = 256;

/** Σ ‖(W − Q)·x‖² / Σ ‖W·x‖², see `outputErrors`. */
export async function outputError(
  weight: Float32Array,
  decoded: Float32Array,
  statistics: InputStatistics,
  algebra: LinearAlgebra,
): Promise<number> {
  const { error, energy } = await outputErrors(weight, decoded, statistics, algebra);
  return energy > 0 ? error / energy : 0;
}

/**
 * Σ ‖(W − Q)·x‖² and Σ ‖W·x‖² over the tokens, from some rows; channels count as independent where their Gram matrix is not known, and then a
 * token's is given.
 */
export async function outputErrors(
  weight: Float32Array,
  decoded: Float32Array,
  { gram, meanSquare }: InputStatistics,
  algebra: LinearAlgebra,
): Promise<{ readonly error: number; readonly energy: number }> {
  const columns = meanSquare.length;
  const rows = weight.length / columns;
  const count = Math.min(rows, MEASURED_ROWS);
  const some = new Float64Array(2 * count * columns);
  for (let i = 0; i < count; i++) {
    const row = Math.floor((i * rows) / count) * columns;
    for (let j = 0; j < columns; j++) {
      const w = weight[row + j] as number;
      some[i * columns + j] = w - (decoded[row + j] as number);
      some[(count + i) * columns + j] = w;
    }
  }
  const products =
    gram &&
    (await (algebra.multiply?.(some, gram, columns) ?? linearAlgebra().multiply(some, gram, columns)));
  const energyOf = (first: number) => {
    let sum = 0;
    for (let i = first * columns; i < (first + count) * columns; i++) {
      const value = some[i] as number;
      sum +=
        value *
        (products === undefined ? value * (meanSquare[i % columns] as number) : (products[i] as number));
    }
    return sum;
  };
  const share = rows / count;
  return { error: share * energyOf(0), energy: share * energyOf(count) };
}
