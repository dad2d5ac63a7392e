import { approximateRandomization, type Comparison, type CorpusResult, holm, meansOf } from "@vlmopt/metrics";
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
  /** Of no difference, by swapping answers of the items that both answered, those of one picture together. */
  readonly p: number;
  /** All swaps were counted; else 10,000 were drawn. */
  readonly exact: boolean;
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
    for (const pairs of pairsByTask(answers, others)) {
      const figures = Object.keys(pairs[0]?.[0].scores ?? {}).filter(
        (figure) =>
          !/-(precision|recall)$/.test(figure) &&
          pairs.every((pair) => pair.every((item) => item.scores[figure] !== undefined)),
      );
      if (figures.length === 0) continue;
      if (pairs.length < 2)
        throw new BenchError(
          `${variant}: ${first.folder} and ${second.folder} share 1 answered question, and a test needs at least 2`,
          "compare runs of more questions",
        );
      const means = meansOf(figures);
      const [one, two] = ([0, 1] as const).map((side) =>
        resultOf(
          pairs.map((pair) => pair[side]),
          means,
          variant,
        ),
      ) as [CorpusResult, CorpusResult];
      const clusters = pairs.map(([{ picture, id }]) => picture ?? `question ${id}`);
      const compared = approximateRandomization(means, one, two, { clusters });
      for (const figure of figures) {
        const { difference, p, exact } = compared[figure] as Comparison;
        const [a, b] = [one.aggregate[figure] ?? 0, two.aggregate[figure] ?? 0];
        found.push({ variant, figure, first: a, second: b, difference, p, exact, items: pairs.length });
      }
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

/** A question that two runs did not ask alike, or that was not answered alike. */
export interface ItemDifference {
  readonly variant: string;
  readonly id: string;
  /** `prompt`: the model was asked something else, so that answers do not compare. */
  readonly what: "prompt" | "prediction" | "scores";
  readonly first: string;
  readonly second: string;
}

/** Lists the questions at which two runs differ: in prompts, else in answers, else in scores of equal answers. */
export function differingItems(first: Run, second: Run): ItemDifference[] {
  const [byFirst, bySecond] = [answersOf(first), answersOf(second)];
  return [...byFirst].flatMap(([variant, answers]) =>
    [...answers].flatMap(([id, one]): ItemDifference[] => {
      const other = bySecond.get(variant)?.get(id);
      if (other === undefined) return [];
      const [asked, askedToo] = [one.prompt ?? one.question, other.prompt ?? other.question];
      if (asked !== askedToo) return [{ variant, id, what: "prompt", first: asked, second: askedToo }];
      if (one.prediction !== other.prediction)
        return [{ variant, id, what: "prediction", first: one.prediction, second: other.prediction }];
      const [scores, others] = [one, other].map((item) => JSON.stringify(item.scores)) as [string, string];
      return scores === others ? [] : [{ variant, id, what: "scores", first: scores, second: others }];
    }),
  );
}

/** Pairs of answers to what both runs asked, of each task; of questions that count together the first, whose scores are those of all. */
function pairsByTask(
  answers: ReadonlyMap<string, ItemResult>,
  others: ReadonlyMap<string, ItemResult>,
): (readonly [ItemResult, ItemResult])[][] {
  const byTask = new Map<string, Map<string, readonly [ItemResult, ItemResult]>>();
  for (const [id, item] of answers) {
    const other = others.get(id);
    if (other === undefined) continue;
    const { task = "", unit } = item;
    const pairs = byTask.get(task) ?? new Map<string, readonly [ItemResult, ItemResult]>();
    byTask.set(task, pairs);
    const key = unit === undefined ? `item ${id}` : `unit ${unit}`;
    if (!pairs.has(key)) pairs.set(key, [item, other]);
  }
  return [...byTask.values()].map((pairs) => [...pairs.values()]);
}

function answersOf({ items }: Run): Map<string, Map<string, ItemResult>> {
  const found = new Map<string, Map<string, ItemResult>>();
  for (const item of items) {
    const ofVariant = found.get(item.variant) ?? new Map<string, ItemResult>();
    found.set(item.variant, ofVariant.set(item.id, item));
  }
  return found;
}

/** @throws {BenchError} where an answer has no number for a figure */
function resultOf(
  items: readonly ItemResult[],
  { figures, aggregate }: ReturnType<typeof meansOf>,
  variant: string,
): CorpusResult {
  const statistics = items.map(({ scores, id }) =>
    Float64Array.from(figures, (figure) => {
      const score = scores[figure];
      if (typeof score === "number" && Number.isFinite(score)) return score;
      throw new BenchError(
        `${variant}: the answer to question ${id} has ${String(score)} for ${figure}, which no test can weigh`,
        "measure the variant anew, or leave the question out of both runs",
      );
    }),
  );
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
