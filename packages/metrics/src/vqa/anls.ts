import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { splitWords } from "../text/python-classes.ts";
import { editDistance } from "./edit-distance.ts";

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
      return longest === 0 ? 1 : 1 - editDistance(own, theirs) / longest;
    });
    const best = Math.max(...similarities);
    return Float64Array.of(best > THRESHOLD ? best : 0);
  });
}

/** Code points. */
function normalise(text: string): Uint32Array {
  const plain = splitWords(text.toLowerCase()).join(" ");
  const points = new Uint32Array(plain.length);
  let count = 0;
  for (let i = 0; i < plain.length; i++) {
    const point = plain.codePointAt(i) as number;
    points[count++] = point;
    if (point > 0xffff) i++;
  }
  return points.subarray(0, count);
}
