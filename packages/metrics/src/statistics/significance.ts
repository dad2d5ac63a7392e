import { type CorpusResult, MetricInputError, sumOf } from "../metric.ts";
import { seededRandom } from "./random.ts";
import { type Aggregation, flatten, resample, type Strata } from "./resample.ts";

export interface ComparisonOptions {
  /** Draws; 1000 for the bootstrap and 10,000 for randomisation unless told. */
  readonly trials?: number;
  /** 12345 unless told. */
  readonly seed?: number;
  readonly strata?: Strata;
}

export interface Comparison {
  /** Figure of the second system less that of the first. */
  readonly difference: number;
  /** Two-sided, (c + 1) / (n + 1): never 0. */
  readonly p: number;
}

/**
 * Paired bootstrap (Koehn 2004; Efron and Tibshirani 1993, section 16.4): how often the difference of a resample strays at least as far
 * from the resamples' mean difference as the difference seen lies from nothing. Equal systems have p = 1.
 */
export function pairedBootstrap(
  metric: Aggregation,
  first: CorpusResult,
  second: CorpusResult,
  { trials = 1000, seed = 12345, strata }: ComparisonOptions = {},
): Readonly<Record<string, Comparison>> {
  assertPaired(first, second);
  const [of1 = [], of2 = []] = resample(metric, [first, second], trials, seededRandom(seed), strata);
  return Object.fromEntries(
    metric.figures.map((figure, f) => {
      const differences = (of2[f] as Float64Array).map((value, r) => value - (of1[f]?.[r] ?? 0));
      const mean = differences.reduce((sum, x) => sum + x, 0) / trials;
      const difference = (second.aggregate[figure] ?? 0) - (first.aggregate[figure] ?? 0);
      const further = differences.filter((x) => Math.abs(x - mean) >= Math.abs(difference)).length;
      return [figure, { difference, p: (further + 1) / (trials + 1) }];
    }),
  );
}

/**
 * Approximate randomisation (Noreen 1989): how often swapping the systems' outputs at random, item by item, gives a difference at least
 * as large as the one seen.
 */
export function approximateRandomization(
  metric: Aggregation,
  first: CorpusResult,
  second: CorpusResult,
  { trials = 10_000, seed = 12345 }: Omit<ComparisonOptions, "strata"> = {},
): Readonly<Record<string, Comparison>> {
  assertPaired(first, second);
  const count = first.statistics.length;
  const [a, b] = [flatten(first), flatten(second)];
  const gaps = a.values.map((value, i) => (b.values[i] as number) - value);
  const [sumA, sumB] = [sumOf(first.statistics, a.size), sumOf(second.statistics, b.size)];
  const random = seededRandom(seed);
  const seen = differences(metric, sumA, sumB, count);
  const reached = seen.map(() => 0);
  for (let trial = 0; trial < trials; trial++) {
    const moved = new Float64Array(a.size);
    let bits = 0;
    for (let i = 0; i < count; i++) {
      if (i % 32 === 0) bits = random.next();
      if ((bits >>> (i % 32)) & 1)
        for (let k = 0; k < a.size; k++) moved[k] = (moved[k] as number) + (gaps[i * a.size + k] as number);
    }
    const shuffled = differences(
      metric,
      sumA.map((value, k) => value + (moved[k] as number)),
      sumB.map((value, k) => value - (moved[k] as number)),
      count,
    );
    for (const [f, difference] of shuffled.entries()) {
      // Sums in another order differ in the last place; that is no difference.
      if (Math.abs(difference) >= Math.abs(seen[f] as number) - 1e-12)
        reached[f] = (reached[f] as number) + 1;
    }
  }
  return Object.fromEntries(
    metric.figures.map((figure, f) => [
      figure,
      { difference: seen[f] as number, p: ((reached[f] as number) + 1) / (trials + 1) },
    ]),
  );
}

function differences(
  metric: Aggregation,
  first: Float64Array,
  second: Float64Array,
  count: number,
): number[] {
  const [a, b] = [metric.aggregate(first, count), metric.aggregate(second, count)];
  return metric.figures.map((figure) => (b[figure] ?? 0) - (a[figure] ?? 0));
}

/** p-values of one family of tests, corrected so that the chance of any false finding stays below the level (Holm 1979). */
export function holm(pValues: readonly number[]): number[] {
  const order = pValues.map((p, i) => ({ p, i })).sort((a, b) => a.p - b.p);
  const corrected = new Array<number>(pValues.length);
  let largest = 0;
  for (const [rank, { p, i }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * p));
    corrected[i] = largest;
  }
  return corrected;
}

function assertPaired(first: CorpusResult, second: CorpusResult): void {
  if (first.statistics.length === second.statistics.length && first.statistics.length > 0) return;
  throw new MetricInputError(
    `the systems have ${first.statistics.length} and ${second.statistics.length} items; a paired test needs the same items of both`,
  );
}
