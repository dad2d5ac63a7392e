import type { CorpusResult } from "../metric.ts";
import { meanResult, meansOf } from "../model-metrics/model-metric.ts";
import { signature } from "../signature.ts";
import type { Aggregation } from "../statistics/resample.ts";
import { strip } from "../text/python-classes.ts";
import type { ScoredItem } from "./score-file.ts";

/** What one metric says of one system, or of more over the same items. */
export interface Measured {
  readonly metric: Aggregation & { readonly name: string };
  readonly ours: CorpusResult;
  readonly versus?: CorpusResult;
  /** The other system's predictions against the references of other items. */
  readonly floor?: CorpusResult;
}

/** Newlines become blanks, and an answer without words becomes `[NO ANSWER]`. */
export function seedTexts(item: ScoredItem): ScoredItem {
  const line = (text: string) => text.replace(/[\r\n]+/g, " ");
  const answer = (text: string) => (strip(text) === "" ? "[NO ANSWER]" : line(text));
  return {
    ...item,
    prediction: answer(item.prediction),
    references: item.references.map(line),
    ...(item.versus === undefined ? {} : { versus: answer(item.versus) }),
  };
}

/** Q is the mean of these, metric and figure. */
const PARTS = [
  ["meteor", "meteor"],
  ["rouge", "rouge1"],
  ["bertscore", "bertscore"],
] as const;

/** Q = (METEOR + ROUGE-1 + BERTScore F1) / 3 of every item, as a metric of its own; undefined unless all three were measured. */
export function seedQ(measured: readonly Measured[]): Measured | undefined {
  const parts = PARTS.map(([name, figure]) => ({
    figure,
    of: measured.find(({ metric }) => metric.name === name && metric.figures.includes(figure)),
  }));
  const means = meansOf(["q"]);
  const made = signature("q", { of: PARTS.map(([, figure]) => figure).join("+") });
  const combine = (system: "ours" | "versus" | "floor"): CorpusResult | undefined => {
    const results = parts.map(({ of, figure }) => ({ figure, items: of?.[system]?.items }));
    const sums = results[0]?.items?.map(() => 0);
    if (sums === undefined) return undefined;
    for (const { figure, items } of results) {
      if (items === undefined) return undefined;
      for (const [i, scores] of items.entries()) sums[i] = (sums[i] ?? 0) + (scores[figure] ?? 0);
    }
    return meanResult(
      means,
      made,
      sums.map((sum) => Float64Array.of(sum / PARTS.length)),
    );
  };
  const [ours, versus, floor] = [combine("ours"), combine("versus"), combine("floor")];
  if (ours === undefined) return undefined;
  return {
    metric: { name: "q", ...means },
    ours,
    ...(versus === undefined ? {} : { versus }),
    ...(floor === undefined ? {} : { floor }),
  };
}
