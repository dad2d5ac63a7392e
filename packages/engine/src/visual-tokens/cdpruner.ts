import type { PictureMethod } from "./method.ts";
import { ascending } from "./top-scores.ts";

/** Keeps the least relevant token from having none. */
const LEAST = 1e-6;

export const cdpruner: PictureMethod = {
  name: "cdpruner",
  summary:
    "tokens that have to do with the question and are unlike each other (CDPruner, arXiv:2506.10967); needs a CLIP",
  place: "picture",
  needs: ["featureProducts", "states"],
  needsQuestion: true,
  choose(picture, keep) {
    const { count, of } = picture.cosines("featureProducts");
    const relevance = scaled(picture.relevance ?? new Float64Array(count).fill(1));
    // Kernel of the determinantal point process: L = diag(r) S diag(r).
    const kernel = (i: number, j: number) =>
      (relevance[i] as number) * (of[i * count + j] as number) * (relevance[j] as number);
    return { kept: ascending(greedyMap(kernel, count, keep)) };
  },
};

function scaled(relevance: Float64Array): Float64Array {
  const [least, most] = [Math.min(...relevance), Math.max(...relevance)];
  return relevance.map((r) => (most === least ? 1 : (r - least + LEAST) / (most - least)));
}

/** The set of largest determinant, one after the other (Chen, Zhang and Zhou, arXiv:1709.05135). */
function greedyMap(kernel: (i: number, j: number) => number, count: number, keep: number): number[] {
  const gains = Float64Array.from({ length: count }, (_, i) => kernel(i, i));
  const basis: Float64Array[] = [];
  const chosen: number[] = [];
  while (chosen.length < keep) {
    let next = -1;
    for (let i = 0; i < count; i++) {
      if (next === -1 || (gains[i] as number) > (gains[next] as number)) next = i;
    }
    // What is chosen spans all the others: any of them will do.
    const root = Math.sqrt(Math.max(gains[next] as number, Number.MIN_VALUE));
    const row = new Float64Array(count);
    for (let i = 0; i < count; i++) row[i] = kernel(next, i);
    for (const earlier of basis) {
      const share = earlier[next] as number;
      for (let i = 0; i < count; i++) row[i] = (row[i] as number) - share * (earlier[i] as number);
    }
    for (let i = 0; i < count; i++) {
      const value = (row[i] as number) / root;
      row[i] = value;
      gains[i] = (gains[i] as number) - value * value;
    }
    gains[next] = Number.NEGATIVE_INFINITY;
    basis.push(row);
    chosen.push(next);
  }
  return chosen;
}
