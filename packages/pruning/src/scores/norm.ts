import type { WeightScorer } from "./unit-scorer.ts";

/** Frobenius norm of a head's columns of o_proj. */
export const norm: WeightScorer = {
  name: "norm",
  summary: "Frobenius norm of the head's columns of o_proj, by weights alone",
  units: ["heads"],
  needs: "weights",
  columns: true,
  score: ({ count, columns }) =>
    Float64Array.from({ length: count }, (_, i) => Math.sqrt(columns[3 * i + 1] as number)),
};
