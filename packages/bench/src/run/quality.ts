import { languageScorer, loadEncoder } from "@vlmopt/engine";
import {
  approximateRandomization,
  bertScoreLayer,
  bootstrapIntervals,
  type Clusters,
  type CorpusResult,
  type FigureInterval,
  isHeadline,
  type Metric,
  type MetricResources,
  type ModelMetric,
  meansOf,
  metricByName,
  noSkillFloor,
  parseMetric,
  retention,
} from "@vlmopt/metrics";
import { BenchError } from "../bench-error.ts";
import type { Recipe } from "../recipe/read-recipe.ts";
import type { QualityFigure, Retention, Versus } from "../records/run-summary.ts";
import { judgeModel } from "../targets/judge-model.ts";

/** What a variant answered, in the order of the questions. */
export interface Answered {
  readonly predictions: readonly string[];
  readonly references: readonly (readonly string[])[];
}

/** What of a metric resampling needs. */
type Aggregation = Pick<Metric, "figures" | "aggregate" | "mean">;

/** One metric's results of one variant. */
export interface Measured {
  readonly name: string;
  readonly task?: string;
  readonly aggregation: Aggregation;
  readonly result: CorpusResult;
  /** Items are drawn from their own stratum. */
  readonly strata?: readonly (string | number)[];
  /** The pictures that items are of: those of one are drawn and swapped together. */
  readonly clusters?: Clusters;
}

/** Measures answers, and what they score against references of other questions. */
export interface Judge {
  measure(answered: Answered): Promise<readonly Measured[]>;
  floor(answered: Answered): Promise<readonly Measured[]>;
}

/** What metrics of a recipe need, loaded once for all judges. */
export interface JudgeResources extends Required<MetricResources> {
  release(): Promise<void>;
}

export function judgeResources({
  encoder,
  languageModel,
  judge,
}: Pick<Recipe, "encoder" | "languageModel" | "judge">): JudgeResources {
  const loaded: { release(): Promise<void> }[] = [];
  const kept = async <Model extends { release(): Promise<void> }>(loading: Promise<Model>) => {
    const model = await loading;
    loaded.push(model);
    return model;
  };
  return {
    async encoder(wanted) {
      if (encoder === undefined)
        throw new BenchError("the metric needs an encoder", "name one in the recipe");
      const { folder, layer = wanted } = encoder;
      const count = layer === "bert-score" ? bertScoreLayer(folder) : layer;
      return kept(loadEncoder(folder, count === undefined ? {} : { layer: count }));
    },
    async judge() {
      if (judge === undefined) throw new BenchError("judge needs a model", "name one in the recipe");
      return judgeModel(judge);
    },
    async languageModel() {
      if (languageModel === undefined)
        throw new BenchError("perplexity needs a languageModel", "name one in the recipe");
      return kept(languageScorer(languageModel));
    },
    async release() {
      for (const model of loaded) await model.release();
    },
  };
}

export async function openJudge(names: readonly string[], resources: MetricResources): Promise<Judge> {
  const metrics: (Metric | ModelMetric)[] = [];
  for (const name of names) metrics.push(await metricByName(name, resources));
  const each = async (resultOf: (metric: Metric | ModelMetric) => CorpusResult | Promise<CorpusResult>) => {
    const measured: Measured[] = [];
    for (const metric of metrics)
      measured.push({ name: metric.name, aggregation: metric, result: await resultOf(metric) });
    return measured;
  };
  return {
    measure: ({ predictions, references }) => each((metric) => metric.corpus(predictions, references)),
    floor: ({ predictions, references }) => each((metric) => noSkillFloor(metric, predictions, references)),
  };
}

/**
 * Refuses metrics that need more references than questions have, before anything is measured. Questions without any are not scored.
 * @throws {BenchError} naming the metric, the question and another metric
 */
export async function assertScorable(
  metrics: readonly string[],
  items: readonly { readonly id: string; readonly references: readonly string[] }[],
): Promise<void> {
  for (const spec of metrics) {
    const { name } = parseMetric(spec);
    if (["bertscore", "sentence-similarity", "judge", "perplexity"].includes(name)) continue;
    const { fewestReferences } = await metricByName(spec);
    const short = items.find(
      ({ references: { length } }) => length > 0 && length < (fewestReferences?.count ?? 0),
    );
    if (short === undefined || fewestReferences === undefined) continue;
    throw new BenchError(
      `${name} needs at least ${fewestReferences.count} references a question, and question ${short.id} has ${short.references.length}`,
      fewestReferences.otherwise,
    );
  }
}

/**
 * The seed's Q: the mean of METEOR, ROUGE-1 and BERTScore's F1 of each item; undefined unless all three were measured.
 */
export function qualityIndex(measured: readonly Measured[]): Measured | undefined {
  const parts = ["meteor", "rouge1", "bertscore"].map((figure) =>
    measured
      .find(({ aggregation }) => aggregation.figures.includes(figure))
      ?.result.items.map((item) => item[figure] ?? 0),
  );
  const [meteor, rouge, bertscore] = parts;
  if (meteor === undefined || rouge === undefined || bertscore === undefined) return undefined;
  const statistics = meteor.map((score, i) =>
    Float64Array.of((score + (rouge[i] ?? 0) + (bertscore[i] ?? 0)) / 3),
  );
  const means = meansOf(["q"]);
  const total = statistics.reduce((sum, [value = 0]) => sum + value, 0);
  const of = measured.map(({ result }) => result.signature.split("|")[0]).join("+");
  return {
    name: "q",
    aggregation: means,
    result: {
      signature: `q|of:meteor+rouge1+bertscore|measured:${of}`,
      aggregate: means.aggregate(Float64Array.of(total), statistics.length),
      items: statistics.map(([q = 0]) => ({ q })),
      statistics,
    },
  };
}

/** The dense model that others are held against, and what it scores without having looked. */
export interface Reference {
  readonly dense: Measured;
  readonly floor: Measured;
}

/** Every figure of a metric with its interval, what is kept of the dense model's, and how likely the difference is by chance. */
export function qualityFigures(
  { name, task, aggregation, result, strata, clusters }: Measured,
  reference: Reference | undefined,
  confidence: number,
): QualityFigure[] {
  const drawn = {
    confidence,
    ...(strata === undefined ? {} : { strata }),
    ...(clusters === undefined ? {} : { clusters }),
  };
  const intervals = bootstrapIntervals(aggregation, result, drawn);
  const against = reference && heldAgainst(aggregation, result, reference, drawn);
  return aggregation.figures.map((figure) => {
    const { value, low, high, method } = intervals[figure] as FigureInterval;
    return {
      metric: name,
      ...(task === undefined ? {} : { task }),
      figure,
      score: value,
      low: finite(low),
      high: finite(high),
      interval: method,
      signature: result.signature,
      retention: against?.retentionOf(figure) ?? null,
      versus: against?.versusOf(figure) ?? null,
    };
  });
}

function heldAgainst(
  aggregation: Aggregation,
  model: CorpusResult,
  { dense: { result: dense }, floor: { result: floor } }: Reference,
  drawn: { readonly confidence: number } & Pick<Measured, "strata" | "clusters">,
) {
  const ofDense = retention(aggregation, { model, dense }, drawn);
  const aboveFloor = retention(aggregation, { model, dense, floor }, drawn);
  const swapped = drawn.clusters === undefined ? {} : { clusters: drawn.clusters };
  // A test needs two questions, as a floor does.
  const compared =
    dense.statistics.length > 1 ? approximateRandomization(aggregation, dense, model, swapped) : {};
  return {
    retentionOf: (figure: string): Retention => ({
      ofDense: finite(ofDense[figure]?.value),
      ofDenseLow: finite(ofDense[figure]?.low),
      ofDenseHigh: finite(ofDense[figure]?.high),
      aboveFloor: finite(aboveFloor[figure]?.value),
      low: finite(aboveFloor[figure]?.low),
      high: finite(aboveFloor[figure]?.high),
      floor: floor.aggregate[figure] ?? 0,
    }),
    versusOf(figure: string): Versus | null {
      const test = compared[figure];
      return isHeadline(figure) && test !== undefined && Number.isFinite(test.p) ? test : null;
    },
  };
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
