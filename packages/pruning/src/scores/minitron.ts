import { type ActivationScorer, sumByUnit } from "./unit-scorer.ts";

/**
 * Minitron (arXiv:2407.14679): √(Σ over sequences of (mean |xⱼ|)²), the L2 norm of that over a head's channels. Weights do not count.
 */
export const minitron: ActivationScorer = {
  name: "minitron",
  summary: "Minitron: √Σ over sequences of (mean |xⱼ|)²",
  units: ["neurons", "heads"],
  needs: "activations",
  score(figures) {
    const { sequenceMagnitude } = figures.inputs;
    return sumByUnit(figures, (j) => (sequenceMagnitude[j] as number) ** 2).map(Math.sqrt);
  },
};
