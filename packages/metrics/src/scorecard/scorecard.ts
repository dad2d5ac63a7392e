import { checkOptions, flag, object, oneOf } from "@vlmopt/options";
import { type CorpusResult, type Metric, MetricInputError, type Scores, sumOf } from "../metric.ts";
import type { ModelMetric } from "../model-metrics/model-metric.ts";
import { signature } from "../signature.ts";
import { bootstrapIntervals, type FigureInterval, type Interval } from "../statistics/bootstrap.ts";
import { floorOthers, noSkillFloor } from "../statistics/no-skill-floor.ts";
import type { BootstrapOptions } from "../statistics/option-rules.ts";
import { bootstrapRules } from "../statistics/option-rules.ts";
import type { Aggregation } from "../statistics/resample.ts";
import { retention } from "../statistics/retention.ts";
import { approximateRandomization, type Comparison, holm } from "../statistics/significance.ts";
import type { ScoredItem } from "./score-file.ts";
import { type Measured, seedQ, seedTexts } from "./seed-compat.ts";

export interface ScorecardOptions {
  /** Also scores each topic by itself, and draws resamples within topics. */
  readonly by?: "topic";
  readonly bootstrap?: Omit<BootstrapOptions, "strata" | "clusters">;
  /** Takes the other system for the dense model and says how much of its skill is kept. */
  readonly retention?: boolean;
  /** Newlines become blanks, an empty answer `[NO ANSWER]`; adds Q where METEOR, ROUGE-1 and BERTScore are measured. */
  readonly seedCompat?: boolean;
}

/** A figure of all items or of a topic's, with its interval. JSON has no NaN and shows null. */
export interface FigureScore extends FigureInterval {
  readonly metric: string;
  readonly figure: string;
  readonly versus?: FigureComparison;
  readonly retention?: Interval;
}

export interface FigureComparison {
  /** The other system's. */
  readonly value: number;
  /** Ours less the other's. */
  readonly difference: number;
  /** Of no difference, by swapping outputs; headline figures of all items alone have one. NaN where a figure is no number. */
  readonly p?: number;
  /** All swaps were counted; else 10,000 were drawn. */
  readonly exact?: boolean;
  /** Corrected for all headline figures. */
  readonly pHolm?: number;
}

export interface TopicScores {
  readonly topic: string;
  readonly count: number;
  readonly figures: readonly FigureScore[];
}

/** Everything that was measured, as plain data. */
export interface Scorecard {
  /** How texts were taken, intervals drawn and differences tested. */
  readonly signature: string;
  readonly count: number;
  /** Of the intervals. */
  readonly confidence: number;
  /** What reproduces each metric's figures, by its name. */
  readonly metrics: Readonly<Record<string, string>>;
  readonly figures: readonly FigureScore[];
  readonly topics?: readonly TopicScores[];
  readonly items: readonly ItemScores[];
}

export interface ItemScores {
  readonly id: string;
  readonly topic?: string;
  /** By metric. */
  readonly scores: Readonly<Record<string, Scores>>;
  readonly versus?: Readonly<Record<string, Scores>>;
}

/** Swaps that are drawn where not all can be counted. */
const TRIALS = 10_000;

/** Precision and recall stand behind the figure that combines them: tables and tests leave them out. */
export function isHeadline(figure: string): boolean {
  return !/-(precision|recall|agreement)$/.test(figure);
}

/**
 * Scores a system, alone or beside another one that answered the same items.
 * @throws {MetricInputError} where topics or the other system are asked for and items lack them
 */
export async function scorecard(
  items: readonly ScoredItem[],
  metrics: readonly (Metric | ModelMetric)[],
  options: ScorecardOptions = {},
): Promise<Scorecard> {
  checkOptions("scorecard", options, {
    by: oneOf(["topic"]),
    bootstrap: object,
    retention: flag,
    seedCompat: flag,
  });
  checkOptions<object>("scorecard: bootstrap", options.bootstrap, bootstrapRules);
  assertComplete(items, options);
  const { by, seedCompat = false } = options;
  const {
    resamples = 1000,
    confidence = 0.95,
    seed = 12345,
    method = "percentile",
  } = options.bootstrap ?? {};
  const topics = items.map(({ topic = "" }) => topic);
  const bootstrap = {
    ...{ resamples, confidence, seed, method },
    ...(by === undefined ? {} : { strata: topics }),
  };
  const texts = seedCompat ? items.map(seedTexts) : items;
  const measured: Measured[] = [];
  for (const metric of metrics) measured.push(await measure(metric, texts, options.retention === true, seed));
  const q = seedCompat ? seedQ(measured) : undefined;
  if (q !== undefined) measured.push(q);
  const compared = measured.some(({ versus }) => versus !== undefined);

  return {
    signature: signature("scorecard", {
      texts: seedCompat ? "seed" : "as-given",
      interval: method,
      "zero-one": "agresti-coull",
      ...{ confidence, resamples, seed },
      strata: by ?? "no",
      ...(compared ? { test: "paired-randomization", trials: TRIALS, correction: "holm" } : {}),
      ...(options.retention ? { floor: `${floorOthers(items.length)}-others` } : {}),
    }),
    count: items.length,
    confidence,
    metrics: Object.fromEntries(measured.map(({ metric, ours }) => [metric.name, ours.signature])),
    figures: tested(
      measured.flatMap((one) => figuresOf(one, bootstrap)),
      measured,
      bootstrap,
    ),
    ...(by === undefined ? {} : { topics: byTopic(topics, measured, bootstrap) }),
    items: items.map(({ id, topic }, i) => ({
      id,
      ...(topic === undefined ? {} : { topic }),
      scores: scoresOf(measured, "ours", i),
      ...(compared ? { versus: scoresOf(measured, "versus", i) } : {}),
    })),
  };
}

async function measure(
  metric: Metric | ModelMetric,
  items: readonly ScoredItem[],
  withFloor: boolean,
  seed: number,
): Promise<Measured> {
  const references = items.map((item) => item.references);
  const others = items.flatMap(({ versus }) => versus ?? []);
  const ours = await metric.corpus(
    items.map(({ prediction }) => prediction),
    references,
  );
  if (others.length === 0) return { metric, ours };
  const versus = await metric.corpus(others, references);
  if (!withFloor) return { metric, ours, versus };
  return { metric, ours, versus, floor: await noSkillFloor(metric, others, references, { seed }) };
}

function figuresOf({ metric, ours, versus, floor }: Measured, bootstrap: BootstrapOptions): FigureScore[] {
  const intervals = bootstrapIntervals(metric, ours, bootstrap);
  const kept =
    versus && floor ? retention(metric, { model: ours, dense: versus, floor }, bootstrap) : undefined;
  return metric.figures.map((figure) => {
    const interval = intervals[figure] as FigureInterval;
    const value = versus?.aggregate[figure];
    const share = kept?.[figure];
    return {
      metric: metric.name,
      figure,
      ...interval,
      ...(value === undefined ? {} : { versus: { value, difference: interval.value - value } }),
      ...(share === undefined ? {} : { retention: share }),
    };
  });
}

/** Adds p-values to headline figures, where there is another system. */
function tested(
  figures: readonly FigureScore[],
  measured: readonly Measured[],
  { seed = 12345 }: BootstrapOptions,
): FigureScore[] {
  const tests = new Map<string, Comparison>(
    measured.flatMap(({ metric, ours, versus }) => {
      if (versus === undefined) return [];
      const comparisons = approximateRandomization(metric, versus, ours, { trials: TRIALS, seed });
      return metric.figures
        .filter(isHeadline)
        .map((figure) => [`${metric.name} ${figure}`, comparisons[figure] as Comparison] as const);
    }),
  );
  const known = [...tests].filter(([, { p }]) => !Number.isNaN(p));
  const corrected = holm(known.map(([, { p }]) => p));
  const pHolm = new Map(known.map(([key], i) => [key, corrected[i] as number]));
  return figures.map((score) => {
    const key = `${score.metric} ${score.figure}`;
    const test = tests.get(key);
    if (score.versus === undefined || test === undefined) return score;
    const { p, exact } = test;
    return { ...score, versus: { ...score.versus, p, pHolm: pHolm.get(key) ?? Number.NaN, exact } };
  });
}

/** Topics in the order in which they first come. */
function byTopic(
  topics: readonly string[],
  measured: readonly Measured[],
  { strata: _, ...bootstrap }: BootstrapOptions,
): TopicScores[] {
  return [...new Set(topics)].map((topic) => {
    const members = topics.flatMap((other, i) => (other === topic ? [i] : []));
    const figures = measured.flatMap(({ metric, ours, versus, floor }) =>
      figuresOf(
        {
          metric,
          ours: subset(metric, ours, members),
          ...(versus === undefined ? {} : { versus: subset(metric, versus, members) }),
          ...(floor === undefined ? {} : { floor: subset(metric, floor, members) }),
        },
        bootstrap,
      ),
    );
    return { topic, count: members.length, figures };
  });
}

function subset(metric: Aggregation, result: CorpusResult, members: readonly number[]): CorpusResult {
  const statistics = members.map((i) => result.statistics[i] as Float64Array);
  const sum = sumOf(statistics, statistics[0]?.length ?? 0);
  return {
    signature: result.signature,
    aggregate: metric.aggregate(sum, members.length),
    items: members.map((i) => result.items[i] as Scores),
    statistics,
  };
}

function scoresOf(
  measured: readonly Measured[],
  system: "ours" | "versus",
  item: number,
): Readonly<Record<string, Scores>> {
  return Object.fromEntries(
    measured.map((one) => [one.metric.name, (one[system] as CorpusResult).items[item] as Scores]),
  );
}

function assertComplete(items: readonly ScoredItem[], options: ScorecardOptions): void {
  if (items.length === 0) throw new MetricInputError("there are no items to score");
  const others = items.filter(({ versus }) => versus !== undefined).length;
  if (others !== 0 && others !== items.length)
    throw new MetricInputError(
      `the other system answered ${others} of ${items.length} items; it must answer all`,
    );
  if (options.retention === true && others === 0)
    throw new MetricInputError("retention needs another system, the dense model, to compare with");
  const bare = options.by === "topic" ? items.find(({ topic }) => topic === undefined) : undefined;
  if (bare !== undefined) throw new MetricInputError(`item ${bare.id} has no topic`);
}
