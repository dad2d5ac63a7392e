import { type CorpusResult, MetricInputError } from "../metric.ts";
import { type BootstrapOptions, type Interval, quantile } from "./bootstrap.ts";
import { seededRandom } from "./random.ts";
import { type Aggregation, resample } from "./resample.ts";

/**
 * References of other items: a single cycle through all of them (Sattolo 1986), so that none keeps its own. What a model scores against
 * them it scores without having looked.
 * @throws {MetricInputError} for fewer than two items
 */
export function shuffledReferences<T>(references: readonly T[], seed = 12345): T[] {
  if (references.length < 2)
    throw new MetricInputError(
      `a no-skill floor needs the references of other items, and there are ${references.length}`,
    );
  const shuffled = [...references];
  const random = seededRandom(seed);
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = random.below(i);
    [shuffled[i], shuffled[j]] = [shuffled[j] as T, shuffled[i] as T];
  }
  return shuffled;
}

/** One metric's results over the same items. */
export interface RetentionResults {
  readonly model: CorpusResult;
  /** Of the model that it was made from. */
  readonly dense: CorpusResult;
  /** Of the dense model's predictions against `shuffledReferences`. */
  readonly floor: CorpusResult;
}

/**
 * The share of the dense model's skill that a model keeps, (model − floor) / (dense − floor): 1 for the dense model itself, 0 for one
 * whose answers fit the questions no better than answers to other questions. NaN where the dense model has no skill; a bound is NaN
 * where it has none in some resample.
 */
export function retention(
  metric: Aggregation,
  { model, dense, floor }: RetentionResults,
  options: Omit<BootstrapOptions, "method"> = {},
): Readonly<Record<string, Interval>> {
  const { resamples = 1000, confidence = 0.95, seed = 12345, strata } = options;
  const counts = [model, dense, floor].map(({ statistics }) => statistics.length);
  if (new Set(counts).size !== 1)
    throw new MetricInputError(
      `model, dense model and floor have ${counts.join(", ")} items; retention needs the same items of all`,
    );
  const [ofModel, ofDense, ofFloor] = resample(
    metric,
    [model, dense, floor],
    resamples,
    seededRandom(seed),
    strata,
  );
  const tail = (1 - confidence) / 2;
  return Object.fromEntries(
    metric.figures.map((figure, f) => {
      const shares = Float64Array.from({ length: resamples }, (_, r) =>
        share(ofModel?.[f]?.[r], ofDense?.[f]?.[r], ofFloor?.[f]?.[r]),
      );
      const sorted = shares.toSorted();
      const known = !shares.some(Number.isNaN);
      return [
        figure,
        {
          value: share(model.aggregate[figure], dense.aggregate[figure], floor.aggregate[figure]),
          low: known ? quantile(sorted, tail) : Number.NaN,
          high: known ? quantile(sorted, 1 - tail) : Number.NaN,
        },
      ];
    }),
  );
}

function share(model = Number.NaN, dense = Number.NaN, floor = Number.NaN): number {
  return dense > floor ? (model - floor) / (dense - floor) : Number.NaN;
}
