import { brainSurgeon } from "../refit/brain-surgeon.ts";
import { linearAlgebra } from "../refit/linear-algebra.ts";
import type { ActivationScorer } from "./unit-scorer.ts";

/**
 * Greedy optimal brain surgeon (arXiv:2302.04089, arXiv:2412.18110): the unit goes whose loss the others can best make up for, again and
 * again. Scores are the order in which units go; those that stay are above all others.
 */
export const obs: ActivationScorer = {
  name: "obs",
  summary: "greedy optimal brain surgeon: what the others can best make up for goes",
  units: ["neurons", "heads"],
  needs: "activations",
  gram: true,
  async score({ count, size, keep, parts, weight, outFeatures, inputs, algebra = linearAlgebra() }) {
    const { removed } = await brainSurgeon(
      {
        weight,
        outFeatures,
        gram: inputs.gram ?? new Float64Array(),
        keep: keep * parts,
        unit: size,
        partitions: parts,
      },
      algebra,
    );
    const scores = new Float64Array(count).fill(count);
    removed.forEach((unit, order) => {
      scores[unit] = order;
    });
    return scores;
  },
};
