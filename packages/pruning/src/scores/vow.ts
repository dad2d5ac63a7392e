import type { WeightScorer } from "./unit-scorer.ts";

/** Variance of weights: var G + var U, unbiased, of row i of gate and up. */
export const vow: WeightScorer = {
  name: "vow",
  summary: "var G + var U, by weights alone",
  units: ["neurons"],
  needs: "weights",
  rows: "moments",
  score: ({ count, rows }) =>
    Float64Array.from({ length: count }, (_, i) =>
      rows.reduce((total, { values, length }) => {
        const [sum, squares] = [values[3 * i] as number, values[3 * i + 1] as number];
        return total + (squares - (sum * sum) / length) / (length - 1);
      }, 0),
    ),
};
