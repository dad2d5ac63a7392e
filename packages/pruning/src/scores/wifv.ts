import { type ActivationScorer, sumByColumn, sumByUnit } from "./unit-scorer.ts";

/** FLAP's weighted input feature variance (arXiv:2312.11983): var xⱼ · Σᵢ Wᵢⱼ², what replacing xⱼ by its mean costs. */
export const wifv: ActivationScorer = {
  name: "wifv",
  summary: "FLAP: var xⱼ · Σᵢ Wᵢⱼ²",
  units: ["neurons", "heads"],
  needs: "activations",
  score(figures) {
    const squares = sumByColumn(figures, (weight) => weight * weight);
    const { mean, meanSquare } = figures.inputs;
    return sumByUnit(
      figures,
      (j) => Math.max(0, (meanSquare[j] as number) - (mean[j] as number) ** 2) * (squares[j] as number),
    );
  },
};
