import { checkOptions } from "@vlmopt/options";
import { type CorpusResult, sumOf } from "../metric.ts";
import { normalCdf, normalQuantile } from "./normal.ts";
import { bootstrapRules } from "./option-rules.ts";
import { seededRandom } from "./random.ts";
import { type Aggregation, resample, type Strata } from "./resample.ts";
import { wilsonInterval } from "./wilson.ts";

export interface BootstrapOptions {
  /** 1000 unless told. */
  readonly resamples?: number;
  /** 0.95 unless told. */
  readonly confidence?: number;
  /** 12345 unless told. */
  readonly seed?: number;
  /** `percentile` unless told; `bca` corrects for bias and skew (Efron 1987) and costs a jackknife. */
  readonly method?: "percentile" | "bca";
  /** A label an item, such as its topic: items are then drawn from their own stratum. */
  readonly strata?: Strata;
}

export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** An interval with the way it was had. */
export interface FigureInterval extends Interval {
  readonly method: "wilson" | "percentile" | "bca";
}

/**
 * A confidence interval for every figure of a corpus, by resampling its items. Means of figures that are 0 or 1 of every item have Wilson's:
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
  const [distribution = []] = resample(metric, [result], resamples, seededRandom(seed), options.strata);
  const tail = (1 - confidence) / 2;
  const jackknives = method === "bca" && count > 1 ? jackknife(metric, result) : undefined;
  return Object.fromEntries(
    metric.figures.map((figure, f): [string, FigureInterval] => {
      const value = result.aggregate[figure] ?? Number.NaN;
      if (isBinary(metric, result, f)) {
        const hits = result.statistics.reduce((sum, vector) => sum + (vector[f] as number), 0);
        return [figure, { value, ...wilsonInterval(hits, count, confidence), method: "wilson" }];
      }
      const sorted = (distribution[f] ?? new Float64Array(0)).toSorted();
      if (count < 2 || sorted.some(Number.isNaN))
        return [figure, { value, low: Number.NaN, high: Number.NaN, method }];
      const levels = jackknives
        ? bcaLevels(sorted, value, jackknives[f] as Float64Array, tail)
        : ([tail, 1 - tail] as const);
      return [figure, { value, low: quantile(sorted, levels[0]), high: quantile(sorted, levels[1]), method }];
    }),
  );
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

/** Corpus figures without each item in turn, `[figure][item]`. */
function jackknife(metric: Aggregation, { statistics }: CorpusResult): Float64Array[] {
  const size = statistics[0]?.length ?? 0;
  const all = sumOf(statistics, size);
  const figures = metric.figures.map(() => new Float64Array(statistics.length));
  for (const [i, vector] of statistics.entries()) {
    const scores = metric.aggregate(
      all.map((value, k) => value - (vector[k] as number)),
      statistics.length - 1,
    );
    for (const [f, figure] of metric.figures.entries())
      (figures[f] as Float64Array)[i] = scores[figure] ?? Number.NaN;
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
