import { type CorpusResult, type Metric, MetricInputError } from "../metric.ts";
import { type Clusters, clustersOf, flatten } from "./clusters.ts";
import type { Random } from "./random.ts";

/** What resampling needs of a metric, whether it asks a model or not. */
export type Aggregation = Pick<Metric, "figures" | "aggregate" | "mean">;

/** Which items may stand for which: all for all, or only those of one stratum (a topic) for each other. */
export type Strata = readonly (string | number)[];

/** Figures of one resample each, `[figure][resample]`. */
export type Distribution = readonly Float64Array[];

/** Positions that may stand in for each position. */
export function poolsOf(count: number, strata: Strata | undefined): Int32Array[] {
  const members = new Map<string | number, number[]>();
  for (let i = 0; i < count; i++) {
    const stratum = strata?.[i] ?? "";
    const list = members.get(stratum);
    if (list === undefined) members.set(stratum, [i]);
    else list.push(i);
  }
  const pools = new Map([...members].map(([stratum, list]) => [stratum, Int32Array.from(list)]));
  return Array.from({ length: count }, (_, i) => pools.get(strata?.[i] ?? "") as Int32Array);
}

/**
 * Draws as many items, or clusters of them, as there are, with replacement, `resamples` times over, and computes the corpus figures of each draw; every result
 * given is drawn with the same items, so that systems stay paired.
 * @returns a distribution for each result
 */
export function resample(
  metric: Aggregation,
  results: readonly CorpusResult[],
  resamples: number,
  random: Random,
  { strata, clusters: labels }: { readonly strata?: Strata; readonly clusters?: Clusters } = {},
): Distribution[] {
  const count = results[0]?.statistics.length ?? 0;
  if (!Number.isSafeInteger(resamples) || resamples < 1)
    throw new MetricInputError(`resamples are a whole number of at least 1, not ${resamples}`);
  if (strata !== undefined && strata.length !== count)
    throw new MetricInputError(
      `there are ${strata.length} strata for ${count} items: give each item its own`,
    );
  for (const result of results) assertFinite(metric, result);
  const clusters = clustersOf(count, labels, strata);
  const pools = poolsOf(
    clusters.length,
    strata && clusters.map(([first = 0]) => strata[first] as string | number),
  );
  const flat = results.map((result) => flatten(result, clusters));
  const distributions = results.map(() => metric.figures.map(() => new Float64Array(resamples)));
  const drawn = new Int32Array(clusters.length);
  for (let r = 0; r < resamples; r++) {
    let items = 0;
    for (let i = 0; i < drawn.length; i++) {
      const pool = pools[i] as Int32Array;
      const cluster = pool[random.below(pool.length)] as number;
      drawn[i] = cluster;
      items += (clusters[cluster] as Int32Array).length;
    }
    for (const [s, { values, size }] of flat.entries()) {
      const sum = new Float64Array(size);
      for (let i = 0; i < drawn.length; i++) {
        const start = (drawn[i] as number) * size;
        for (let k = 0; k < size; k++) sum[k] = (sum[k] as number) + (values[start + k] as number);
      }
      const scores = metric.aggregate(sum, items);
      for (const [f, figure] of metric.figures.entries()) {
        (distributions[s]?.[f] as Float64Array)[r] = scores[figure] ?? Number.NaN;
      }
    }
  }
  return distributions;
}

/** @throws {MetricInputError} where a statistic is NaN or infinite: a mean over it would be so too, and no test could tell */
export function assertFinite({ figures }: Aggregation, { statistics }: CorpusResult): void {
  const odd = statistics.findIndex((vector) => !vector.every(Number.isFinite));
  if (odd === -1) return;
  const value = statistics[odd]?.find((x) => !Number.isFinite(x));
  throw new MetricInputError(
    `item ${odd + 1} of ${statistics.length} has ${value} among the numbers behind ${figures.join(", ")}: leave it out, or the metric`,
  );
}
