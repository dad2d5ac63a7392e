import type { WeightScorer } from "./unit-scorer.ts";

/** Nothing of the model: a control. */
export const random: WeightScorer = {
  name: "random",
  summary: "nothing of the model, for a control",
  units: ["neurons", "heads"],
  needs: "weights",
  score: ({ count, random }) => Float64Array.from({ length: count }, random),
};
