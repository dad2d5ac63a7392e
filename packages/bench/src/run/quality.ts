import { languageScorer, loadEncoder } from "@vlmopt/engine";
import {
  bootstrapIntervals,
  type CorpusResult,
  type Metric,
  type ModelMetric,
  metricByName,
  noSkillFloor,
  retention,
} from "@vlmopt/metrics";
import type { Recipe } from "../recipe/read-recipe.ts";
import type { QualityFigure, Retention } from "../records/run-summary.ts";

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
  readonly aggregation: Aggregation;
  readonly result: CorpusResult;
}

/** Measures answers, and what they score against references of other questions. */
export interface Judge {
  measure(answered: Answered): Promise<readonly Measured[]>;
  floor(answered: Answered): Promise<readonly Measured[]>;
  release(): Promise<void>;
}

export async function openJudge({ metrics: names, encoder, languageModel }: Recipe): Promise<Judge> {
  const loaded: { release(): Promise<void> }[] = [];
  const resources = {
    async encoder() {
      if (encoder === undefined) throw new TypeError("bertscore needs an encoder");
      const { folder, layer } = encoder;
      const model = await loadEncoder(folder, layer === undefined ? {} : { layer });
      loaded.push(model);
      return model;
    },
    async languageModel() {
      if (languageModel === undefined) throw new TypeError("perplexity needs a language model");
      const model = await languageScorer(languageModel);
      loaded.push(model);
      return model;
    },
  };
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
    async release() {
      for (const model of loaded) await model.release();
    },
  };
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
  const aggregate = (sum: Float64Array, count: number) => ({ q: count === 0 ? 0 : (sum[0] ?? 0) / count });
  const total = statistics.reduce((sum, [value = 0]) => sum + value, 0);
  const of = measured.map(({ result }) => result.signature.split("|")[0]).join("+");
  return {
    name: "q",
    aggregation: { figures: ["q"], aggregate },
    result: {
      signature: `q|of:meteor+rouge1+bertscore|measured:${of}`,
      aggregate: aggregate(Float64Array.of(total), statistics.length),
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

/** Every figure of a metric with its interval, and what is kept of the dense model's. */
export function qualityFigures(
  { name, aggregation, result }: Measured,
  reference: Reference | undefined,
  confidence: number,
): QualityFigure[] {
  const intervals = bootstrapIntervals(aggregation, result, { confidence });
  const kept =
    reference &&
    retention(
      aggregation,
      { model: result, dense: reference.dense.result, floor: reference.floor.result },
      { confidence },
    );
  return aggregation.figures.map((figure) => {
    const { value = Number.NaN, low = Number.NaN, high = Number.NaN } = intervals[figure] ?? {};
    return {
      metric: name,
      figure,
      score: value,
      low,
      high,
      signature: result.signature,
      retention: reference === undefined ? null : retentionOf(figure, value, reference, kept?.[figure]),
    };
  });
}

function retentionOf(
  figure: string,
  score: number,
  { dense, floor }: Reference,
  kept: { readonly value: number; readonly low: number; readonly high: number } | undefined,
): Retention {
  const ofDense = score / (dense.result.aggregate[figure] ?? 0);
  return {
    ofDense: finite(ofDense),
    aboveFloor: finite(kept?.value),
    low: finite(kept?.low),
    high: finite(kept?.high),
    floor: floor.result.aggregate[figure] ?? 0,
  };
}

function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}
