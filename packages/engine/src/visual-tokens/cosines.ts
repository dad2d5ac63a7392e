/** Cosines of rows with each other, `[count, count]`. */
export interface Cosines {
  readonly count: number;
  readonly of: Float32Array;
}

/**
 * From products of rows with each other.
 * @param rows those that count, in their order; one for each cosine row
 */
export function cosinesOf(products: Float32Array, size: number, rows: readonly number[]): Cosines {
  const count = rows.length;
  const inverse = Float64Array.from(rows, (row) => 1 / Math.sqrt(products[row * size + row] as number));
  const of = new Float32Array(count * count);
  for (let i = 0; i < count; i++) {
    const from = (rows[i] as number) * size;
    const scale = inverse[i] as number;
    for (let j = 0; j < count; j++) {
      of[i * count + j] = (products[from + (rows[j] as number)] as number) * scale * (inverse[j] as number);
    }
  }
  return { count, of };
}
