import { type ActivationScorer, sumByColumn, sumByUnit } from "./unit-scorer.ts";

/** Wanda (arXiv:2306.11695), summed over what is removed together: Σᵢ |Wᵢⱼ| · √E[xⱼ²], as FLAP (arXiv:2312.11983) compares itself with. */
export const wandaSp: ActivationScorer = {
  name: "wanda-sp",
  summary: "Σᵢ |Wᵢⱼ| · √E[xⱼ²]",
  units: ["neurons", "heads"],
  needs: "activations",
  score(figures) {
    const magnitudes = sumByColumn(figures, Math.abs);
    const { meanSquare } = figures.inputs;
    return sumByUnit(figures, (j) => (magnitudes[j] as number) * Math.sqrt(meanSquare[j] as number));
  },
};
