import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { splitWords } from "../text/python-classes.ts";

/** Similarities below it count as nothing. */
const THRESHOLD = 0.5;

/**
 * Average normalised Levenshtein similarity (Biten et al. 2019): 1 − distance / length of the longer text, 0 below .5; the best of several
 * references. Small letters, blanks collapsed.
 */
export function anls(): Metric {
  const name = signature("anls", { threshold: THRESHOLD, case: "lc" });
  return meanMetric("anls", ["anls"], name, (prediction, references) => {
    const own = normalise(prediction);
    const similarities = references.map((reference) => {
      const theirs = normalise(reference);
      const longest = Math.max(own.length, theirs.length);
      return longest === 0 ? 1 : 1 - levenshtein(own, theirs) / longest;
    });
    const best = Math.max(...similarities);
    return Float64Array.of(best > THRESHOLD ? best : 0);
  });
}

function normalise(text: string): string[] {
  return [...splitWords(text.toLowerCase()).join(" ")];
}

function levenshtein(a: readonly string[], b: readonly string[]): number {
  let above = Int32Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, character] of a.entries()) {
    const row = new Int32Array(b.length + 1);
    row[0] = i + 1;
    for (const [j, other] of b.entries()) {
      const replaced = (above[j] as number) + (character === other ? 0 : 1);
      row[j + 1] = Math.min(replaced, (above[j + 1] as number) + 1, (row[j] as number) + 1);
    }
    above = row;
  }
  return above[b.length] as number;
}
