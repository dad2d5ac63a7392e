import { approximateRandomization, type CorpusResult, holm } from "@vlmopt/metrics";
import { BenchError } from "../bench-error.ts";
import type { Run } from "../records/run-folder.ts";
import type { ItemResult } from "../records/run-summary.ts";

/** One figure of a variant that both runs have. */
export interface RunComparison {
  readonly variant: string;
  readonly figure: string;
  readonly first: number;
  readonly second: number;
  /** Second less first. */
  readonly difference: number;
  /** Of no difference, by approximate randomisation over the items that both answered. */
  readonly p: number;
  /** Corrected for all comparisons (Holm 1979). */
  readonly pHolm: number;
  readonly items: number;
}

/**
 * Compares the answers of variants of one name, item by item: means of the items' figures, and how likely their difference is by chance.
 * @throws {BenchError} where the runs share no variant with answers to the same questions
 */
export function compareRuns(first: Run, second: Run): RunComparison[] {
  const [byFirst, bySecond] = [answersOf(first), answersOf(second)];
  const found: Omit<RunComparison, "pHolm">[] = [];
  for (const [variant, answers] of byFirst) {
    const others = bySecond.get(variant);
    if (others === undefined) continue;
    const shared = [...answers.keys()].filter((id) => others.has(id));
    const pairs = shared.map((id) => [answers.get(id), others.get(id)] as const);
    const figures = Object.keys(pairs[0]?.[0]?.scores ?? {}).filter(
      (figure) =>
        !/-(precision|recall)$/.test(figure) &&
        pairs.every((pair) => pair.every((item) => item?.scores[figure] !== undefined)),
    );
    if (figures.length === 0) continue;
    const aggregate = (sum: Float64Array, count: number) =>
      Object.fromEntries(figures.map((figure, f) => [figure, (sum[f] ?? 0) / count]));
    const [one, two] = ([0, 1] as const).map((side) =>
      resultOf(
        pairs.map((pair) => pair[side] as ItemResult),
        figures,
        aggregate,
      ),
    ) as [CorpusResult, CorpusResult];
    const compared = approximateRandomization({ figures, aggregate }, one, two);
    for (const figure of figures) {
      const { difference = 0, p = 1 } = compared[figure] ?? {};
      const [a, b] = [one.aggregate[figure] ?? 0, two.aggregate[figure] ?? 0];
      found.push({ variant, figure, first: a, second: b, difference, p, items: pairs.length });
    }
  }
  if (found.length === 0) {
    throw new BenchError(
      `${first.folder} and ${second.folder} share no variant that answered the same questions`,
      "compare runs of one data set whose variants have the same names",
    );
  }
  const corrected = holm(found.map(({ p }) => p));
  return found.map((comparison, i) => ({ ...comparison, pHolm: corrected[i] ?? 1 }));
}

function answersOf({ items }: Run): Map<string, Map<string, ItemResult>> {
  const found = new Map<string, Map<string, ItemResult>>();
  for (const item of items) {
    const ofVariant = found.get(item.variant) ?? new Map<string, ItemResult>();
    found.set(item.variant, ofVariant.set(item.id, item));
  }
  return found;
}

function resultOf(
  items: readonly ItemResult[],
  figures: readonly string[],
  aggregate: (sum: Float64Array, count: number) => Record<string, number>,
): CorpusResult {
  const statistics = items.map(({ scores }) => Float64Array.from(figures, (figure) => scores[figure] ?? 0));
  const sum = Float64Array.from(figures, (_, f) =>
    statistics.reduce((total, vector) => total + (vector[f] ?? 0), 0),
  );
  return {
    signature: "items of two runs",
    aggregate: aggregate(sum, items.length),
    items: statistics.map((vector) => aggregate(vector, 1)),
    statistics,
  };
}
