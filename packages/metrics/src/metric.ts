/** Named figures, e.g. `{ rouge1: 0.41, "rouge1-precision": 0.5 }`. */
export type Scores = Readonly<Record<string, number>>;

/** What a metric says of a whole corpus. */
export interface CorpusResult {
  /** What reproduces these numbers: variant, tokenizer, stemmer, package version. */
  readonly signature: string;
  readonly aggregate: Scores;
  /** The figures of each item, in the order of the predictions. */
  readonly items: readonly Scores[];
  /**
   * Sufficient statistics of each item, in the same order: `metric.aggregate(sum, count)` of any items' sum gives those items' corpus
   * figures, which is what resampling needs.
   */
  readonly statistics: readonly Float64Array[];
}

/** A metric over text that needs no model. Every prediction has references of its own; their number may differ. */
export interface Metric {
  readonly name: string;
  /** The names of the figures, in the order in which tables show them. */
  readonly figures: readonly string[];
  readonly signature: string;
  /** Scores one prediction by itself. */
  score(prediction: string, references: readonly string[]): Scores;
  corpus(predictions: readonly string[], references: readonly (readonly string[])[]): CorpusResult;
  /** An item's figures depend on the other items too, so that they cannot be taken one by one. */
  readonly needsCorpus?: true;
  /** References play no part in its figures. */
  readonly referenceFree?: true;
  /** Asking it is so dear that no floor is made of it. */
  readonly hasNoFloor?: true;
  /** Items need as many references, so that a right answer can score 1. */
  readonly fewestReferences?: { readonly count: number; readonly otherwise: string };
  /** Corpus figures of items whose statistics add up to `sum`, `count` of them. */
  aggregate(sum: Float64Array, count: number): Scores;
  /** Set where corpus figures are the means of the items' figures, which are their statistics: `share` where those lie between 0 and 1. */
  readonly mean?: "share" | "number";
}

/** Items that come one by one. */
export interface Accumulator {
  /** @returns the figures of this item */
  add(prediction: string, references: readonly string[]): Scores;
  /** Of all items so far, as `corpus` of them would give it. */
  result(): CorpusResult;
}

/**
 * Scores items as they come; texts are not kept.
 * @throws {MetricInputError} for a metric that needs the corpus as a whole
 */
export function accumulate(metric: Metric): Accumulator {
  if (metric.needsCorpus) {
    throw new MetricInputError(
      `${metric.name} weighs words by all items' references: score the corpus as a whole`,
    );
  }
  const items: Scores[] = [];
  const statistics: Float64Array[] = [];
  return {
    add(prediction, references) {
      const { items: scores, statistics: own } = metric.corpus([prediction], [references]);
      items.push(...scores);
      statistics.push(...own);
      return scores[0] as Scores;
    },
    result() {
      if (items.length === 0) throw new MetricInputError("there are no predictions to score");
      const size = statistics[0]?.length ?? metric.figures.length;
      const aggregate = metric.aggregate(sumOf(statistics, size), items.length);
      return { signature: metric.signature, aggregate, items: [...items], statistics: [...statistics] };
    },
  };
}

/** Predictions and references that do not belong together. */
export class MetricInputError extends Error {
  override readonly name = "MetricInputError";
}

/**
 * A metric whose corpus figures are the means of its items', which lie between 0 and 1 unless told.
 * @param score the figures of one item, in the order of `figures`
 */
export function meanMetric(
  name: string,
  figures: readonly string[],
  signature: string,
  score: (prediction: string, references: readonly string[]) => Float64Array,
  traits: Pick<Metric, "mean" | "referenceFree" | "fewestReferences"> = {},
): Metric {
  const named = (values: Float64Array): Scores =>
    Object.fromEntries(figures.map((figure, i) => [figure, values[i] ?? 0]));
  const aggregate = (sum: Float64Array, count: number) =>
    named(sum.map((value) => (count === 0 ? 0 : value / count)));
  const { fewestReferences } = traits;
  return {
    mean: "share",
    ...traits,
    name,
    figures,
    signature,
    aggregate,
    score(prediction, references) {
      assertReferences(name, [references], fewestReferences);
      return named(score(prediction, references));
    },
    corpus(predictions, references) {
      assertPaired(predictions, references);
      assertReferences(name, references, fewestReferences);
      const statistics = predictions.map((prediction, i) => score(prediction, references[i] ?? []));
      return {
        signature,
        aggregate: aggregate(sumOf(statistics, figures.length), statistics.length),
        items: statistics.map(named),
        statistics,
      };
    },
  };
}

/** @throws {MetricInputError} where an item has fewer references than the metric needs */
export function assertReferences(
  name: string,
  references: readonly (readonly string[])[],
  fewest: Metric["fewestReferences"],
): void {
  if (fewest === undefined) return;
  const short = references.findIndex((list) => list.length < fewest.count);
  if (short === -1) return;
  throw new MetricInputError(
    `${name} needs at least ${fewest.count} references an item, and item ${short + 1} of ${references.length} has ${references[short]?.length}: ${fewest.otherwise}`,
  );
}

/** @throws {MetricInputError} where there is nothing to score, the lists differ in length, or an item has no reference */
export function assertPaired(
  predictions: readonly string[],
  references: readonly (readonly string[])[],
): void {
  if (predictions.length !== references.length) {
    throw new MetricInputError(
      `there are ${predictions.length} predictions and ${references.length} lists of references`,
    );
  }
  if (predictions.length === 0) throw new MetricInputError("there are no predictions to score");
  const bare = references.findIndex((list) => list.length === 0);
  if (bare !== -1) throw new MetricInputError(`prediction ${bare} of ${predictions.length} has no reference`);
}

/** Sum of vectors of `size` numbers. */
export function sumOf(vectors: readonly Float64Array[], size: number): Float64Array {
  const sum = new Float64Array(size);
  for (const vector of vectors)
    for (let i = 0; i < size; i++) sum[i] = (sum[i] as number) + (vector[i] as number);
  return sum;
}
