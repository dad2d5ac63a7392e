import type { WeightScorer } from "./unit-scorer.ts";

/** Product of norms: ‖G‖₁ · ‖U‖₁, of row i of gate and up. */
export const pon: WeightScorer = {
  name: "pon",
  summary: "‖G‖₁ · ‖U‖₁, by weights alone",
  units: ["neurons"],
  needs: "weights",
  rows: "moments",
  score: ({ count, rows }) =>
    Float64Array.from({ length: count }, (_, i) =>
      rows.reduce((product, { values }) => product * (values[3 * i + 2] as number), 1),
    ),
};
