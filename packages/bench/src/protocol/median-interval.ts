import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import type { Estimate } from "../records/run-summary.ts";

const RESAMPLES = 1000;
const SEED = 12345;

/** The median and its percentile bootstrap interval (Efron and Tibshirani 1993, chapter 13); undefined without samples. */
export function medianInterval(samples: readonly number[], confidence: number): Estimate | undefined {
  if (samples.length === 0) return undefined;
  const sorted = Float64Array.from(samples).sort();
  const random = xoroshiro128plus(SEED);
  const drawn = new Float64Array(sorted.length);
  const medians = Float64Array.from({ length: RESAMPLES }, () => {
    for (let i = 0; i < drawn.length; i++)
      drawn[i] = sorted[uniformInt(random, 0, sorted.length - 1)] as number;
    return quantile(drawn.sort(), 0.5);
  }).sort();
  const tail = (1 - confidence) / 2;
  return {
    median: quantile(sorted, 0.5),
    low: quantile(medians, tail),
    high: quantile(medians, 1 - tail),
    samples: samples.length,
  };
}

/** Linear between order statistics, as numpy does. */
function quantile(sorted: Float64Array, level: number): number {
  const position = level * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] as number;
  return low + ((sorted[Math.min(sorted.length - 1, below + 1)] as number) - low) * (position - below);
}
