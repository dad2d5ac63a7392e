import { checkOptions } from "@vlmopt/options";
import { type CorpusResult, MetricInputError } from "../metric.ts";
import { type Interval, isBinary, quantile } from "./bootstrap.ts";
import { type BootstrapOptions, bootstrapRules } from "./option-rules.ts";
import { seededRandom } from "./random.ts";
import { type Aggregation, type Distribution, resample } from "./resample.ts";

/** One metric's results over the same items. */
export interface RetentionResults {
  readonly model: CorpusResult;
  /** Of the model that it was made from. */
  readonly dense: CorpusResult;
  /** What the dense model's predictions score without skill (`noSkillFloor`); 0 unless told. */
  readonly floor?: CorpusResult;
}

/**
 * The share of the dense model's skill that a model keeps, (model − floor) / (dense − floor): 1 for the dense model itself, 0 for one
 * whose answers fit the questions no better than answers to other questions. NaN where the dense model has no skill; a bound is NaN
 * where it has none in some resample, and of a single item.
 *
 * Where items score 0 or 1, resamples show too little of what further items may: they are drawn from two more items, one that the model alone gets right and one that the dense model does (Bonett and Price 2012).
 * @throws {MetricInputError} for results of other items and options out of range
 */
export function retention(
  metric: Aggregation,
  results: RetentionResults,
  options: Omit<BootstrapOptions, "method"> = {},
): Readonly<Record<string, Interval>> {
  const { resamples = 1000, confidence = 0.95, seed = 12345, strata, clusters } = options;
  checkOptions("retention", options, bootstrapRules);
  const { model, dense, floor = nothing(metric, results.dense) } = results;
  const counts = [model, dense, floor].map(({ statistics }) => statistics.length);
  if (new Set(counts).size !== 1)
    throw new MetricInputError(
      `model, dense model and floor have ${counts.join(", ")} items; retention needs the same items of all`,
    );
  const bounded = countsStayCounts(metric, dense);
  const drawn = (three: readonly CorpusResult[], labels: Pick<BootstrapOptions, "strata" | "clusters">) =>
    resample(bounded, three, resamples, seededRandom(seed), labels);
  const few = metric.figures.map((_, f) => isBinary(metric, model, f) && isBinary(metric, dense, f));
  const plain = few.every(Boolean) ? [] : drawn([model, dense, floor], options);
  const more = few.some(Boolean)
    ? drawn(withTwoMore(model, dense, floor), {
        ...(strata && { strata: [...strata, "two more", "two more"] }),
        ...(clusters && { clusters: [...clusters, "\0one more", "\0another"] }),
      })
    : [];
  return Object.fromEntries(
    metric.figures.map((figure, f) => {
      const value = share(model.aggregate[figure], dense.aggregate[figure], floor.aggregate[figure]);
      const bounds = model.statistics.length < 2 ? undefined : boundsOf(few[f] ? more : plain, f, confidence);
      return [figure, { value, low: bounds?.low ?? Number.NaN, high: bounds?.high ?? Number.NaN }];
    }),
  );
}

function boundsOf(
  [ofModel, ofDense, ofFloor]: readonly Distribution[],
  figure: number,
  confidence: number,
): { low: number; high: number } | undefined {
  const shares = (ofModel?.[figure] ?? new Float64Array(0)).map((value, r) =>
    share(value, ofDense?.[figure]?.[r], ofFloor?.[figure]?.[r]),
  );
  if (shares.some(Number.isNaN)) return undefined;
  const [sorted, tail] = [shares.sort(), (1 - confidence) / 2];
  return { low: quantile(sorted, tail), high: quantile(sorted, 1 - tail) };
}

function share(model = Number.NaN, dense = Number.NaN, floor = Number.NaN): number {
  return dense > floor ? (model - floor) / (dense - floor) : Number.NaN;
}

function withTwoMore(model: CorpusResult, dense: CorpusResult, floor: CorpusResult): CorpusResult[] {
  const size = model.statistics[0]?.length ?? 0;
  const [right, wrong] = [new Float64Array(size).fill(1), new Float64Array(size)];
  const usual = new Float64Array(size);
  for (const vector of floor.statistics)
    for (let k = 0; k < size; k++)
      usual[k] = (usual[k] as number) + (vector[k] as number) / floor.statistics.length;
  const append = (result: CorpusResult, two: readonly Float64Array[]): CorpusResult => ({
    ...result,
    statistics: [...result.statistics, ...two],
  });
  return [append(model, [right, wrong]), append(dense, [wrong, right]), append(floor, [usual, usual])];
}

function nothing(metric: Aggregation, { statistics }: CorpusResult): CorpusResult {
  return {
    signature: "nothing",
    aggregate: Object.fromEntries(metric.figures.map((figure) => [figure, 0])),
    items: [],
    statistics: statistics.map((vector) => new Float64Array(vector.length)),
  };
}

/** A floor's items may lie below 0 by themselves, and so may a resample of few of them; where statistics are counts, there is no less than 0. */
function countsStayCounts(metric: Aggregation, { statistics }: CorpusResult): Aggregation {
  const areCounts = statistics.every((vector) => vector.every((value) => value >= 0));
  if (!areCounts) return metric;
  return {
    ...metric,
    aggregate: (sum, count) =>
      metric.aggregate(
        sum.map((value) => Math.max(0, value)),
        count,
      ),
  };
}
