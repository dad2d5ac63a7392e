import { checkOptions } from "@vlmopt/options";
import { type CorpusResult, sumOf } from "../metric.ts";
import { agrestiCoullInterval } from "./agresti-coull.ts";
import { clustersOf, effectiveCount, flatten } from "./clusters.ts";
import { normalCdf, normalQuantile } from "./normal.ts";
import { type BootstrapOptions, bootstrapRules } from "./option-rules.ts";
import { seededRandom } from "./random.ts";
import { type Aggregation, resample } from "./resample.ts";

export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** An interval with the way it was had. */
export interface FigureInterval extends Interval {
  readonly method: "agresti-coull" | "percentile" | "bca";
}

/**
 * A confidence interval for every figure of a corpus, by resampling its items. Means of figures that are 0 or 1 of every item have Agresti and Coull's:
 * resamples of 50 right answers of 50 are all alike, though the 51st may be wrong. Of one item, others have none (NaN).
 * @throws {OptionError} for options out of range
 * @throws {MetricInputError} for strata that are not one an item, and numbers that are none
 */
export function bootstrapIntervals(
  metric: Aggregation,
  result: CorpusResult,
  options: BootstrapOptions = {},
): Readonly<Record<string, FigureInterval>> {
  const { resamples = 1000, confidence = 0.95, seed = 12345, method = "percentile" } = options;
  checkOptions("bootstrapIntervals", options, bootstrapRules);
  const count = result.statistics.length;
  const [distribution = []] = resample(metric, [result], resamples, seededRandom(seed), options);
  const clusters = clustersOf(count, options.clusters, options.strata);
  const tail = (1 - confidence) / 2;
  const jackknives =
    method === "bca" && clusters.length > 1 ? jackknife(metric, result, clusters) : undefined;
  return Object.fromEntries(
    metric.figures.map((figure, f): [string, FigureInterval] => {
      const value = result.aggregate[figure] ?? Number.NaN;
      if (isBinary(metric, result, f)) {
        return [
          figure,
          { value, ...shareInterval(result, f, clusters, confidence), method: "agresti-coull" },
        ];
      }
      const sorted = (distribution[f] ?? new Float64Array(0)).toSorted();
      if (clusters.length < 2 || sorted.some(Number.isNaN))
        return [figure, { value, low: Number.NaN, high: Number.NaN, method }];
      const levels = jackknives
        ? bcaLevels(sorted, value, jackknives[f] as Float64Array, tail)
        : ([tail, 1 - tail] as const);
      return [figure, { value, low: quantile(sorted, levels[0]), high: quantile(sorted, levels[1]), method }];
    }),
  );
}

/** Agresti and Coull's, of as many items as the clusters are worth. */
function shareInterval(
  result: CorpusResult,
  figure: number,
  clusters: readonly Int32Array[],
  confidence: number,
): { low: number; high: number } {
  const { values, size } = flatten(result, clusters);
  const hits = clusters.map((_, c) => values[c * size + figure] as number);
  const all = hits.reduce((sum, hit) => sum + hit, 0);
  const count = result.statistics.length;
  const effective = effectiveCount(
    hits,
    clusters.map(({ length }) => length),
    confidence,
  );
  return agrestiCoullInterval(all === count ? effective : (all * effective) / count, effective, confidence);
}

/** Whether a figure is the mean of items' zeros and ones. */
export function isBinary({ mean }: Aggregation, { statistics }: CorpusResult, figure: number): boolean {
  return mean === "share" && statistics.every(({ [figure]: value }) => value === 0 || value === 1);
}

/** Linear between order statistics, as numpy does. */
export function quantile(sorted: Float64Array, level: number): number {
  const position = level * (sorted.length - 1);
  const below = Math.floor(position);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(sorted.length - 1, below + 1)] ?? Number.NaN;
  return low + (high - low) * (position - below);
}

/** Corpus figures without each cluster in turn, `[figure][cluster]`. */
function jackknife(
  metric: Aggregation,
  result: CorpusResult,
  clusters: readonly Int32Array[],
): Float64Array[] {
  const { values, size } = flatten(result, clusters);
  const all = sumOf(result.statistics, size);
  const figures = metric.figures.map(() => new Float64Array(clusters.length));
  for (const [c, { length }] of clusters.entries()) {
    const scores = metric.aggregate(
      all.map((value, k) => value - (values[c * size + k] as number)),
      result.statistics.length - length,
    );
    for (const [f, figure] of metric.figures.entries())
      (figures[f] as Float64Array)[c] = scores[figure] ?? Number.NaN;
  }
  return figures;
}

/** The levels at which BCa reads the distribution, by Efron 1987. Figures that do not vary have no interval but themselves. */
function bcaLevels(
  sorted: Float64Array,
  value: number,
  jackknives: Float64Array,
  tail: number,
): readonly [number, number] {
  const below = sorted.filter((x) => x < value).length;
  const equal = sorted.filter((x) => x === value).length;
  const bias = normalQuantile((below + equal / 2) / sorted.length);
  const mean = jackknives.reduce((sum, x) => sum + x, 0) / jackknives.length;
  let [squares, cubes] = [0, 0];
  for (const x of jackknives) {
    squares += (mean - x) ** 2;
    cubes += (mean - x) ** 3;
  }
  if (squares === 0 || !Number.isFinite(bias)) return [tail, 1 - tail];
  const acceleration = cubes / (6 * squares ** 1.5);
  const level = (probability: number) => {
    const z = bias + normalQuantile(probability);
    return normalCdf(bias + z / (1 - acceleration * z));
  };
  return [level(tail), level(1 - tail)];
}
