import { checkOptions, oneOf } from "@vlmopt/options";
import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { splitWords } from "../text/python-classes.ts";
import { editDistance } from "./edit-distance.ts";

/** Similarities below it count as nothing. */
const THRESHOLD = 0.5;

export interface AnlsOptions {
  /** `paper` unless told; `lmms-eval` keeps a similarity of exactly .5, and takes lengths before blanks are collapsed. */
  readonly variant?: "paper" | "lmms-eval";
}

/**
 * Average normalised Levenshtein similarity (Biten et al. 2019): 1 − distance / length of the longer text, 0 below .5; the best of several
 * references. Small letters, blanks collapsed.
 */
export function anls(options: AnlsOptions = {}): Metric {
  checkOptions("anls", options, { variant: oneOf(["paper", "lmms-eval"]) });
  const isPaper = (options.variant ?? "paper") === "paper";
  const metric = isPaper ? "anls" : "anls-lmms";
  const parts = { threshold: THRESHOLD, case: "lc", ...(isPaper ? {} : { variant: "lmms-eval" }) };
  return meanMetric(metric, [metric], signature("anls", parts), (prediction, references) => {
    const own = normalise(prediction);
    const similarities = references.map((reference) => {
      const theirs = normalise(reference);
      const longest = isPaper
        ? Math.max(own.length, theirs.length)
        : Math.max(upperLength(prediction), upperLength(reference));
      return longest === 0 ? 1 : 1 - editDistance(own, theirs) / longest;
    });
    const best = Math.max(...similarities);
    return Float64Array.of(best > THRESHOLD || (!isPaper && best === THRESHOLD) ? best : 0);
  });
}

/** Code points in capitals, of which ß has two. */
function upperLength(text: string): number {
  return [...text.toUpperCase()].length;
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
