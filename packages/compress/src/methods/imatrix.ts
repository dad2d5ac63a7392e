import { decodedIntegers, encodeMatrix, nearestIntegers, searchIntegerScales } from "@vlmopt/quant";
import type { QuantizationMethod } from "./quantization-method.ts";

/** llama.cpp's importance matrices, for every format: scales of least error where each column counts by the mean square of its input. */
export const imatrix: QuantizationMethod = {
  name: "imatrix",
  summary: "to the nearest number; scales of least Σ E[xⱼ²]·(wⱼ − qⱼ)²",
  gram: false,
  refit: false,
  async round(linears, { meanSquare }) {
    const importance = importanceOf(meanSquare);
    return linears.map(({ format, scheme, tensor, data, magnitude }) => {
      const grid = format.grid?.(tensor, scheme);
      if (grid === undefined || format.pack === undefined)
        return encodeMatrix(format, scheme, tensor, data, { magnitude, importance });
      const found = searchIntegerScales(data, grid, importance);
      const rounded = nearestIntegers(data, importance.length, grid, found);
      return { parts: format.pack(rounded, tensor, scheme), decoded: decodedIntegers(rounded) };
    });
  },
};

/** Columns that no token of the data used still count a little: other data may. */
export function importanceOf(meanSquare: Float64Array): Float32Array {
  const mean = meanSquare.reduce((sum, value) => sum + value, 0) / meanSquare.length;
  const least = mean > 0 ? 1e-4 * mean : 1;
  return Float32Array.from(meanSquare, (value) => value + least);
}
