import { MOMENTS, type Moments } from "./input-statistics.ts";

/** Figures of a batch `[sequences, tokens, channels]`, in F64. */
export function hostMoments(shape: readonly number[], x: Float32Array): Moments {
  const [sequences, tokens, channels] = shape as [number, number, number];
  const figures = new Float64Array(sequences * MOMENTS * channels);
  for (let n = 0; n < sequences; n++) {
    const [sums, squares, sizes, most] = Array.from({ length: MOMENTS }, (_, i) =>
      figures.subarray((n * MOMENTS + i) * channels, (n * MOMENTS + i + 1) * channels),
    ) as [Float64Array, Float64Array, Float64Array, Float64Array];
    for (let token = 0; token < tokens; token++) {
      const at = (n * tokens + token) * channels;
      for (let i = 0; i < channels; i++) {
        const value = x[at + i] as number;
        sums[i] = (sums[i] as number) + value;
        squares[i] = (squares[i] as number) + value * value;
        sizes[i] = (sizes[i] as number) + Math.abs(value);
        most[i] = Math.max(most[i] as number, Math.abs(value));
      }
    }
  }
  return { sequences, tokens, figures };
}

/** Σ aᵀ·b over rows, `[rows, aFeatures]` and `[rows, bFeatures]`, in F64. */
export function hostProducts(
  a: Float32Array,
  aFeatures: number,
  b: Float32Array,
  bFeatures: number,
): Float64Array {
  const products = new Float64Array(aFeatures * bFeatures);
  for (let row = 0; row * aFeatures < a.length; row++) {
    for (let i = 0; i < aFeatures; i++) {
      const value = a[row * aFeatures + i] as number;
      for (let j = 0; j < bFeatures; j++) {
        const at = i * bFeatures + j;
        products[at] = (products[at] as number) + value * (b[row * bFeatures + j] as number);
      }
    }
  }
  return products;
}
