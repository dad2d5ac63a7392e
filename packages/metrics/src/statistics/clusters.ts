import { type CorpusResult, MetricInputError } from "../metric.ts";
import { normalQuantile } from "./normal.ts";

/** A label an item; those of one label, such as questions about one picture, are drawn and swapped together. */
export type Clusters = readonly (string | number)[];

/** Places of the items that go together; each item by itself where nothing is said. Items of two strata never do. */
export function clustersOf(
  count: number,
  clusters: Clusters | undefined,
  strata?: readonly (string | number)[],
): Int32Array[] {
  if (clusters === undefined) return Array.from({ length: count }, (_, i) => Int32Array.of(i));
  if (clusters.length !== count)
    throw new MetricInputError(
      `there are ${clusters.length} labels of clusters for ${count} items: give each item its own`,
    );
  const found = new Map<string, number[]>();
  for (const [i, cluster] of clusters.entries()) {
    const key = JSON.stringify([strata?.[i], cluster]);
    const same = found.get(key);
    if (same === undefined) found.set(key, [i]);
    else same.push(i);
  }
  return [...found.values()].map((items) => Int32Array.from(items));
}

/** Sums of the statistics of each cluster one after the other, `[clusters, size]`. */
export function flatten(
  { statistics }: CorpusResult,
  clusters: readonly Int32Array[],
): { values: Float64Array; size: number } {
  const size = statistics[0]?.length ?? 0;
  const values = new Float64Array(clusters.length * size);
  for (const [c, items] of clusters.entries()) {
    for (const i of items) {
      const vector = statistics[i] as Float64Array;
      for (let k = 0; k < size; k++)
        values[c * size + k] = (values[c * size + k] as number) + (vector[k] as number);
    }
  }
  return { values, size };
}

/**
 * How many independent items tell as much about a share as these clusters do: items over the design effect, which is the variance between clusters by that of
 * independent items, for the degrees of freedom that it was had from (Korn and Graubard 1998). Where few clusters hold the rarer answer these are few: two more than twice as
 * many, by simulation (benchmarks/statistics.mjs). Shares of 0 and 1 show no variance: each cluster is one item.
 * @param hits right answers of each cluster
 * @param sizes items of each cluster
 */
export function effectiveCount(
  hits: readonly number[],
  sizes: readonly number[],
  confidence: number,
): number {
  const groups = sizes.length;
  const count = sizes.reduce((sum, size) => sum + size, 0);
  const share = hits.reduce((sum, hit) => sum + hit, 0) / count;
  if (groups === count || groups < 2) return groups;
  const residuals = hits.reduce((sum, hit, g) => sum + (hit - share * (sizes[g] as number)) ** 2, 0);
  const between = ((groups / (groups - 1)) * residuals) / count ** 2;
  const independent = (share * (1 - share)) / count;
  const effect = independent === 0 ? count / groups : Math.max(1, between / independent);
  const wrong = hits.filter((hit, g) => hit < (sizes[g] as number)).length;
  const rarer = Math.min(wrong, hits.filter((hit) => hit > 0).length);
  const freedom = independent === 0 ? groups - 1 : Math.min(groups - 1, 2 * rarer + 2);
  const z = normalQuantile((1 + confidence) / 2);
  return (count / effect) * (z / studentQuantile(z, freedom)) ** 2;
}

/** Student's quantile by that of the normal distribution (Abramowitz & Stegun 26.7.5). */
function studentQuantile(z: number, freedom: number): number {
  const first = (z ** 3 + z) / 4;
  const second = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  const third = (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / 384;
  return z + first / freedom + second / freedom ** 2 + third / freedom ** 3;
}
