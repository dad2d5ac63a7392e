import { type ActivationScorer, sumByColumn, sumByUnit } from "./unit-scorer.ts";

/**
 * Optimal brain damage (LeCun et al. 1990) of the closing linear: E[xⱼ²] · Σᵢ Wᵢⱼ², the squared error of its output where inputs are not
 * correlated.
 */
export const obd: ActivationScorer = {
  name: "obd",
  summary: "E[xⱼ²] · Σᵢ Wᵢⱼ²",
  units: ["neurons", "heads"],
  needs: "activations",
  score(figures) {
    const squares = sumByColumn(figures, (weight) => weight * weight);
    const { meanSquare } = figures.inputs;
    return sumByUnit(figures, (j) => (meanSquare[j] as number) * (squares[j] as number));
  },
};
