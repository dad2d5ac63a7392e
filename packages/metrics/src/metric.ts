/** Named figures, e.g. `{ rouge1: 0.41, rouge2: 0.2 }`. */
export type Scores = Readonly<Record<string, number>>;

/** What a metric says of a whole corpus. */
export interface CorpusResult {
  /** What reproduces these numbers: variant, tokenizer, stemmer, data version, package version. */
  readonly signature: string;
  /** The corpus figures: a mean over items, or a figure of the summed statistics, as the reference does. */
  readonly aggregate: Scores;
  /** The figures of each item, in the order of the predictions. */
  readonly items: readonly Scores[];
  /**
   * Sufficient statistics of each item, in the same order: `metric.aggregate(sum, count)` of any subset's sum gives that
   * subset's corpus figures, which is what resampling needs.
   */
  readonly statistics: readonly Float64Array[];
}

/**
 * A metric over text. `Result` is `Scores` for metrics that need no model, a promise of them for those that do.
 *
 * Every prediction has its own list of references; their number may differ from item to item.
 */
export interface Metric {
  readonly name: string;
  /** The names of the figures, in the order in which tables show them. */
  readonly figures: readonly string[];
  readonly signature: string;
  /** Scores one prediction by itself. */
  score(prediction: string, references: readonly string[]): Scores | Promise<Scores>;
  /** Scores a corpus; what depends on all of it (idf, summed n-gram counts) is computed over all of it. */
  corpus(
    predictions: readonly string[],
    references: readonly (readonly string[])[],
  ): CorpusResult | Promise<CorpusResult>;
  /** Corpus figures of items whose statistics add up to `sum`, `count` of them. */
  aggregate(sum: Float64Array, count: number): Scores;
}
