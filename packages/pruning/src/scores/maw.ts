import type { WeightScorer } from "./unit-scorer.ts";

/** Peak-to-peak magnitude: (max G + |min G|) + (max U + |min U|), of row i of gate and up. */
export const maw: WeightScorer = {
  name: "maw",
  summary: "(max G + |min G|) + (max U + |min U|), by weights alone",
  units: ["neurons"],
  needs: "weights",
  rows: "extremes",
  score: ({ count, rows }) =>
    Float64Array.from({ length: count }, (_, i) =>
      rows.reduce(
        (sum, { values }) => sum + (values[2 * i] as number) + Math.abs(values[2 * i + 1] as number),
        0,
      ),
    ),
};
