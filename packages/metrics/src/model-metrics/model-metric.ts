import { assertPaired, type CorpusResult, type Metric, type Scores, sumOf } from "../metric.ts";
import type { Aggregation } from "../statistics/resample.ts";

/** A metric that asks a model, and so is waited for; in all else a `Metric`. */
export interface ModelMetric extends Omit<Metric, "score" | "corpus"> {
  score(prediction: string, references: readonly string[]): Promise<Scores>;
  corpus(predictions: readonly string[], references: readonly (readonly string[])[]): Promise<CorpusResult>;
}

/** Corpus figures that are the means of the items' figures, which lie between 0 and 1 only where it is said. */
export function meansOf(figures: readonly string[], mean: "share" | "number" = "number"): Aggregation {
  return {
    figures,
    mean,
    aggregate: (sum, count) =>
      Object.fromEntries(figures.map((figure, i) => [figure, count === 0 ? 0 : (sum[i] as number) / count])),
  };
}

/** The result of a metric whose items' figures are their statistics, in one order. */
export function meanResult(
  { figures, aggregate }: Aggregation,
  signature: string,
  statistics: readonly Float64Array[],
): CorpusResult {
  return {
    signature,
    aggregate: aggregate(sumOf(statistics, figures.length), statistics.length),
    items: statistics.map((vector) => aggregate(vector, 1)),
    statistics,
  };
}

/**
 * A metric whose corpus figures are the means of its items', scored many at once.
 * @param scoreAll the figures of each item, in the order of `figures`
 */
export function meanModelMetric(
  name: string,
  figures: readonly string[],
  signature: string,
  scoreAll: (
    predictions: readonly string[],
    references: readonly (readonly string[])[],
  ) => Promise<readonly Float64Array[]>,
): ModelMetric {
  const means = meansOf(figures);
  const corpus: ModelMetric["corpus"] = async (predictions, references) => {
    assertPaired(predictions, references);
    return meanResult(means, signature, await scoreAll(predictions, references));
  };
  return {
    name,
    signature,
    ...means,
    corpus,
    score: async (prediction, references) => (await corpus([prediction], [references])).aggregate,
  };
}
