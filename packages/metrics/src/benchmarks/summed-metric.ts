import { assertPaired, type Metric, type Scores, sumOf } from "../metric.ts";

/** What a metric is whose corpus figures follow from sums over the items. */
export interface SummedMetric {
  readonly name: string;
  readonly figures: readonly string[];
  readonly signature: string;
  /** Length of an item's statistics. */
  readonly size: number;
  statistics(prediction: string, references: readonly string[]): Float64Array;
  /** Figures that an item has by itself. */
  item(statistics: Float64Array): Scores;
  aggregate(sum: Float64Array, count: number): Scores;
}

/** A metric over sums, such as F1 over true and false positives. */
export function summedMetric(of: SummedMetric): Metric {
  const { name, figures, signature, size, statistics, item, aggregate } = of;
  return {
    name,
    figures,
    signature,
    aggregate,
    score: (prediction, references) => item(statistics(prediction, references)),
    corpus(predictions, references) {
      assertPaired(predictions, references);
      const all = predictions.map((prediction, i) => statistics(prediction, references[i] ?? []));
      return {
        signature,
        aggregate: aggregate(sumOf(all, size), all.length),
        items: all.map(item),
        statistics: all,
      };
    },
  };
}
