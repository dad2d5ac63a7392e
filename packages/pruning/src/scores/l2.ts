import type { WeightScorer } from "./unit-scorer.ts";

/** ‖G‖₂ + ‖U‖₂, of row i of gate and up. */
export const l2: WeightScorer = {
  name: "l2",
  summary: "‖G‖₂ + ‖U‖₂, by weights alone",
  units: ["neurons"],
  needs: "weights",
  rows: "moments",
  score: ({ count, rows }) =>
    Float64Array.from({ length: count }, (_, i) =>
      rows.reduce((sum, { values }) => sum + Math.sqrt(values[3 * i + 1] as number), 0),
    ),
};
