import { checkOptions } from "@vlmopt/options";
import { type CorpusResult, MetricInputError, sumOf } from "../metric.ts";
import { type Clusters, clustersOf, flatten } from "./clusters.ts";
import { type ComparisonOptions, comparisonRules } from "./option-rules.ts";
import { seededRandom } from "./random.ts";
import { type Aggregation, assertFinite } from "./resample.ts";
import { signFlipP } from "./sign-flips.ts";

export interface Comparison {
  /** Figure of the second system less that of the first. */
  readonly difference: number;
  /** Two-sided. NaN where the figure is no number. */
  readonly p: number;
  /** All ways to swap outputs were counted; else p is (c + 1) / (n + 1) of n draws, which is never 0. */
  readonly exact: boolean;
}

/** Items whose swaps are all tried, for figures that are no means: 2¹³ ways, since swapping all changes the sign alone. */
const MOST_ITEMS_TRIED = 14;

/**
 * Randomisation test of paired systems (Noreen 1989): how often swapping their outputs item by item gives a difference at least as large as
 * the one seen. Exact where all swaps can be counted: means of whatever number of items that differ in few ways (0/1 figures: McNemar's
 * exact test) or of up to 18 that differ in many, other figures of up to 14. Items that do not differ play no part.
 * @throws {MetricInputError} for fewer than two items, for systems of other items, and for numbers that are none
 */
export function approximateRandomization(
  metric: Aggregation,
  first: CorpusResult,
  second: CorpusResult,
  options: ComparisonOptions = {},
): Readonly<Record<string, Comparison>> {
  checkOptions("approximateRandomization", options, comparisonRules);
  const { trials = 10_000, seed = 12345 } = options;
  assertPaired(metric, first, second);
  const swaps = swapsOf(first, second, options.clusters);
  const exact = metric.figures.map((_, f) => {
    if (metric.mean === undefined) return undefined;
    const { gaps, size } = swaps;
    return signFlipP(
      Float64Array.from({ length: gaps.length / size }, (_, i) => gaps[i * size + f] as number),
    );
  });
  const figures = metric.figures.map((figure, f) => ({
    figure,
    difference: (second.aggregate[figure] ?? Number.NaN) - (first.aggregate[figure] ?? Number.NaN),
    p: exact[f],
  }));
  const counted =
    figures.some(({ p }) => p === undefined) &&
    (swaps.gaps.length / swaps.size <= MOST_ITEMS_TRIED && metric.mean === undefined
      ? allSwaps(metric, swaps)
      : drawnSwaps(metric, swaps, trials, seed));
  return Object.fromEntries(
    figures.map(({ figure, difference, p }, f) => {
      if (!Number.isFinite(difference)) return [figure, { difference, p: Number.NaN, exact: true }];
      if (p !== undefined) return [figure, { difference, p, exact: true }];
      return [figure, { difference, ...(counted as readonly Pick<Comparison, "p" | "exact">[])[f] }];
    }),
  ) as Record<string, Comparison>;
}

/** What swapping changes. */
interface Swaps {
  readonly count: number;
  /** Sums of all statistics of either system. */
  readonly sums: readonly [Float64Array, Float64Array];
  /** Statistics of the second system less those of the first, `[items or clusters that differ, size]`. */
  readonly gaps: Float64Array;
  readonly size: number;
}

function swapsOf(first: CorpusResult, second: CorpusResult, labels: Clusters | undefined): Swaps {
  const clusters = clustersOf(first.statistics.length, labels);
  const [a, b] = [flatten(first, clusters), flatten(second, clusters)];
  const size = Math.max(1, a.size);
  const all = b.values.map((value, i) => value - (a.values[i] as number));
  const rows = clusters
    .map((_, i) => all.subarray(i * size, (i + 1) * size))
    .filter((row) => row.some((gap) => gap !== 0));
  const gaps = new Float64Array(rows.length * size);
  for (const [i, row] of rows.entries()) gaps.set(row, i * size);
  return {
    count: first.statistics.length,
    sums: [sumOf(first.statistics, size), sumOf(second.statistics, size)],
    gaps,
    size,
  };
}

/** Whether a difference is as large as the one seen: sums in another order differ in the last places, and that is no difference. */
function reaches(metric: Aggregation, { sums, count }: Swaps): (moved: Float64Array) => boolean[] {
  const differences = (moved: Float64Array): number[] => {
    const [a, b] = [
      metric.aggregate(
        sums[0].map((sum, k) => sum + (moved[k] as number)),
        count,
      ),
      metric.aggregate(
        sums[1].map((sum, k) => sum - (moved[k] as number)),
        count,
      ),
    ];
    return metric.figures.map((figure) => (b[figure] ?? Number.NaN) - (a[figure] ?? Number.NaN));
  };
  const seen = differences(new Float64Array(sums[0].length)).map((x) => Math.abs(x) * (1 - 1e-9) - 1e-12);
  // What is no number is no evidence against chance.
  return (moved) => differences(moved).map((x, f) => !(Math.abs(x) < (seen[f] as number)));
}

function allSwaps(metric: Aggregation, swaps: Swaps): Pick<Comparison, "p" | "exact">[] {
  const { gaps, size } = swaps;
  const reached = metric.figures.map(() => 0);
  const isReached = reaches(metric, swaps);
  const ways = 2 ** Math.max(0, gaps.length / size - 1);
  for (let way = 0; way < ways; way++) {
    const moved = new Float64Array(size);
    for (let i = 0; i * size < gaps.length; i++) {
      if ((way >>> i) & 1)
        for (let k = 0; k < size; k++) moved[k] = (moved[k] as number) + (gaps[i * size + k] as number);
    }
    for (const [f, yes] of isReached(moved).entries()) if (yes) reached[f] = (reached[f] as number) + 1;
  }
  return reached.map((times) => ({ p: times / ways, exact: true }));
}

/** Items whose swaps are looked up together. */
const BLOCK = 8;

function drawnSwaps(
  metric: Aggregation,
  swaps: Swaps,
  trials: number,
  seed: number,
): Pick<Comparison, "p" | "exact">[] {
  const { gaps, size } = swaps;
  const random = seededRandom(seed);
  const moved = new Float64Array(trials * size);
  for (let start = 0; start < gaps.length; start += BLOCK * size) {
    // What each of 2⁸ ways to swap the items of a block moves.
    const ways = new Float64Array(2 ** BLOCK * size);
    const items = Math.min(BLOCK, (gaps.length - start) / size);
    for (let way = 1; way < 2 ** BLOCK; way++) {
      const item = 31 - Math.clz32(way);
      const rest = way ^ (1 << item);
      for (let k = 0; k < size; k++) {
        const gap = item < items ? (gaps[start + item * size + k] as number) : 0;
        ways[way * size + k] = (ways[rest * size + k] as number) + gap;
      }
    }
    let bits = 0;
    for (let trial = 0; trial < trials; trial++) {
      if (trial % 4 === 0) bits = random.next();
      const way = (bits >>> (BLOCK * (trial % 4))) & 0xff;
      for (let k = 0; k < size; k++)
        moved[trial * size + k] = (moved[trial * size + k] as number) + (ways[way * size + k] as number);
    }
  }
  const reached = metric.figures.map(() => 0);
  const isReached = reaches(metric, swaps);
  for (let trial = 0; trial < trials; trial++) {
    for (const [f, yes] of isReached(moved.subarray(trial * size, (trial + 1) * size)).entries())
      if (yes) reached[f] = (reached[f] as number) + 1;
  }
  return reached.map((times) => ({ p: (times + 1) / (trials + 1), exact: false }));
}

/**
 * p-values of one family of tests, corrected so that the chance of any false finding stays below the level (Holm 1979).
 * @throws {MetricInputError} for what is no probability
 */
export function holm(pValues: readonly number[]): number[] {
  const odd = pValues.find((p) => !(p >= 0 && p <= 1));
  if (odd !== undefined) throw new MetricInputError(`${odd} is no p-value: they lie between 0 and 1`);
  const order = pValues.map((p, i) => ({ p, i })).sort((a, b) => a.p - b.p);
  const corrected = new Array<number>(pValues.length);
  let largest = 0;
  for (const [rank, { p, i }] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (pValues.length - rank) * p));
    corrected[i] = largest;
  }
  return corrected;
}

function assertPaired(metric: Aggregation, first: CorpusResult, second: CorpusResult): void {
  const counts = [first.statistics.length, second.statistics.length] as const;
  if (counts[0] !== counts[1])
    throw new MetricInputError(
      `the systems have ${counts.join(" and ")} items; a paired test needs the same items of both`,
    );
  if (counts[0] < 2)
    throw new MetricInputError(
      `a paired test needs at least 2 items, and there ${counts[0] === 1 ? "is 1" : "are none"}`,
    );
  assertFinite(metric, first);
  assertFinite(metric, second);
}
