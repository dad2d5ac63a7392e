import { medianInterval } from "../protocol/median-interval.ts";
import { speedFigures } from "../protocol/speed-figures.ts";
import { pruningLabels } from "../recipe/pruning-labels.ts";
import type { Recipe, VariantSpec } from "../recipe/read-recipe.ts";
import type { AnswerRecord, BenchRecord, EndRecord, LoadRecord, SpeedRecord } from "../records/journal.ts";
import type { Run } from "../records/run-folder.ts";
import type {
  ItemResult,
  ModelSize,
  QualityFigure,
  SpeedFigures,
  VariantSummary,
} from "../records/run-summary.ts";
import { environment } from "./environment.ts";
import type { DataItem, RunData } from "./open-data.ts";
import {
  type Answered,
  type Judge,
  type Measured,
  openJudge,
  qualityFigures,
  qualityIndex,
  type Reference,
} from "./quality.ts";
import type { Prepared } from "./run-recipe.ts";

interface Findings {
  readonly recipe: Recipe;
  readonly data: RunData;
  readonly folder: string;
  readonly prepared: ReadonlyMap<string, Prepared>;
  readonly records: readonly BenchRecord[];
  readonly startedAt: Date;
}

/** One variant's records, sorted. */
interface VariantRecords {
  readonly loads: readonly LoadRecord[];
  readonly speeds: readonly SpeedRecord[];
  readonly answers: ReadonlyMap<string, AnswerRecord>;
  /** Why questions have no answer, by their ids. */
  readonly unanswered: ReadonlyMap<string, string>;
  readonly end: EndRecord | undefined;
  readonly error: string | undefined;
}

/** Turns records into figures: medians with intervals, scores, and what is kept of the dense model's. */
export async function summarize({
  recipe,
  data,
  folder,
  prepared,
  records,
  startedAt,
}: Findings): Promise<Run> {
  const { protocol } = recipe;
  const judge = await openJudge(recipe);
  const variants: VariantSummary[] = [];
  const items: ItemResult[] = [];
  const references = new Map<string, readonly Reference[]>();
  const scorable = answeredByAll(data.items, recipe, prepared, records);
  try {
    for (const variant of denseFirst(recipe.variants)) {
      const ready = prepared.get(variant.name);
      const of = recordsOf(records, ready?.hash);
      const base = baseOf(variant, recipe.variants);
      const scored = await scoresOf(judge, scorable, of);
      const held = base === undefined ? undefined : references.get(base.name);
      if (base === undefined && scored !== undefined) {
        references.set(variant.name, await referencesOf(judge, scored));
      }
      const figures =
        scored?.measured.map((measured, i) => qualityFigures(measured, held?.[i], protocol.confidence)) ?? [];
      variants.push(variantSummary({ recipe, variant, ready, base, of, figures, questions: data.items }));
      items.push(...itemResults(variant, data.items, of, scored));
    }
  } finally {
    await judge.release();
  }
  const place = new Map(recipe.variants.map(({ name }, i) => [name, i]));
  const inOrder = (a: string, b: string) => (place.get(a) ?? 0) - (place.get(b) ?? 0);
  variants.sort((a, b) => inOrder(a.name, b.name));
  items.sort((a, b) => inOrder(a.variant, b.variant));
  const concurrency = Math.max(
    ...recipe.variants.map(({ source }) => ("endpoint" in source ? source.endpoint.concurrency : 1)),
  );
  return {
    folder,
    summary: {
      version: 1,
      name: recipe.name,
      completed: variants.every(({ status }) => status !== "incomplete"),
      startedAt: startedAt.toISOString(),
      finishedAt: new Date().toISOString(),
      environment: await environment(),
      dataset: { ...data.summary, scored: scorable.length },
      protocol: { ...protocol, concurrency },
      variants,
    },
    items,
  };
}

/** So that what others are held against is there. */
function denseFirst(variants: readonly VariantSpec[]): VariantSpec[] {
  return [...variants].sort((a, b) => Number(isMade(a)) - Number(isMade(b)));
}

function isMade({ prune, quantize }: VariantSpec): boolean {
  return prune !== undefined || quantize !== undefined;
}

/** The model of the same family from which nothing was taken. */
function baseOf(variant: VariantSpec, variants: readonly VariantSpec[]): VariantSpec | undefined {
  if (!isMade(variant)) return undefined;
  return variants.find((other) => other.family === variant.family && !isMade(other));
}

function recordsOf(records: readonly BenchRecord[], hash: string | undefined): VariantRecords {
  const own = records.filter((record) => record.hash === hash);
  const last = own.findLast(({ kind }) => kind === "load" || kind === "failed");
  const answers = new Map(
    own.flatMap((record) => (record.kind === "answer" ? [[record.item, record] as const] : [])),
  );
  return {
    loads: own.filter((record) => record.kind === "load"),
    speeds: own.filter((record) => record.kind === "speed"),
    answers,
    unanswered: new Map(
      own.flatMap((record) =>
        record.kind === "unanswered" && !answers.has(record.item) ? [[record.item, record.error]] : [],
      ),
    ),
    end: own.find((record) => record.kind === "end"),
    error: last?.kind === "failed" ? last.error : undefined,
  };
}

/** Questions that every variant answered of which nothing is left to measure: scores of the same questions compare. */
function answeredByAll(
  items: readonly DataItem[],
  { variants }: Recipe,
  prepared: ReadonlyMap<string, Prepared>,
  records: readonly BenchRecord[],
): readonly DataItem[] {
  const complete = variants
    .map(({ name }) => recordsOf(records, prepared.get(name)?.hash))
    .filter(({ end }) => end !== undefined);
  return items.filter(({ id }) => complete.every(({ answers }) => answers.has(id)));
}

interface Scored {
  /** Places of the questions among those that were scored. */
  readonly places: ReadonlyMap<string, number>;
  readonly answered: Answered;
  /** The seed's Q last, where it is measured. */
  readonly measured: readonly Measured[];
}

/** Undefined where answers are missing. */
async function scoresOf(
  judge: Judge,
  items: readonly DataItem[],
  { answers, end }: VariantRecords,
): Promise<Scored | undefined> {
  if (end === undefined || items.length === 0) return undefined;
  const answered = {
    predictions: items.map(({ id }) => answers.get(id)?.prediction ?? ""),
    references: items.map(({ references }) => references),
  };
  const places = new Map(items.map(({ id }, i) => [id, i]));
  return { places, answered, measured: withIndex(await judge.measure(answered)) };
}

function withIndex(measured: readonly Measured[]): readonly Measured[] {
  const q = qualityIndex(measured);
  return q === undefined ? measured : [...measured, q];
}

/** A single question has no other's references. */
async function referencesOf(judge: Judge, { answered, measured }: Scored): Promise<readonly Reference[]> {
  if (answered.predictions.length < 2) return [];
  const floors = withIndex(await judge.floor(answered));
  return measured.flatMap((dense, i) => {
    const floor = floors[i];
    return floor === undefined ? [] : [{ dense, floor }];
  });
}

interface VariantFindings {
  readonly recipe: Recipe;
  readonly variant: VariantSpec;
  readonly ready: Prepared | undefined;
  readonly base: VariantSpec | undefined;
  readonly of: VariantRecords;
  readonly figures: readonly (readonly QualityFigure[])[];
  readonly questions: readonly DataItem[];
}

function variantSummary({
  recipe,
  variant,
  ready,
  base,
  of,
  figures,
  questions,
}: VariantFindings): VariantSummary {
  const { confidence } = recipe.protocol;
  const { end, error, answers, unanswered } = of;
  const all = figures.flat();
  const texts = [...answers.values()];
  const estimate = (values: readonly (number | null)[]) =>
    values.some((value) => value === null)
      ? null
      : (medianInterval(values as readonly number[], confidence) ?? null);
  const whole = end !== undefined && questions.every(({ id }) => answers.has(id) || unanswered.has(id));
  return {
    name: variant.name,
    hash: ready?.hash ?? "",
    family: variant.family,
    base: base?.name ?? null,
    pruning: pruningLabels(variant.prune),
    precision: variant.precision ?? ready?.made?.precision ?? variant.quantize?.scheme ?? "unknown",
    target: "endpoint" in variant.source ? "endpoint" : "engine",
    status: whole ? "complete" : error === undefined ? "incomplete" : "failed",
    error: whole ? null : (error ?? null),
    unanswered: questions.flatMap(({ id, place }) => {
      const problem = unanswered.get(id);
      return problem === undefined ? [] : [{ place, problem }];
    }),
    size: sizeOf(of, ready),
    memory: end?.memory ?? { devicePeak: null, processPeak: null, executorPeak: null },
    energy: end?.energy ?? null,
    device: end?.device ?? null,
    speed: speedOf(of, variant, confidence),
    speedTokens: speedTokensOf(of),
    promptTokens: estimate(texts.map(({ promptTokens }) => promptTokens)),
    newTokens: estimate(texts.map(({ newTokens }) => newTokens)),
    answerLatency: estimate(texts.map(({ latency }) => latency)),
    answerCharacters:
      texts.length === 0
        ? null
        : texts.reduce((sum, { prediction }) => sum + prediction.length, 0) / texts.length,
    quality: all.filter(({ figure }) => figure !== "q"),
    q: all.find(({ figure }) => figure === "q") ?? null,
  };
}

function sizeOf({ loads }: VariantRecords, ready: Prepared | undefined): ModelSize | null {
  return ready?.made?.size ?? loads.at(-1)?.size ?? null;
}

function speedOf(
  { loads, speeds }: VariantRecords,
  { source }: VariantSpec,
  confidence: number,
): SpeedFigures | null {
  const atOnce = "endpoint" in source ? source.endpoint.concurrency : 1;
  const loadTimes = loads.map(({ milliseconds }) => milliseconds);
  return speedFigures(loadTimes, speeds, { atOnce, confidence });
}

function speedTokensOf({ speeds }: VariantRecords): { fewest: number; most: number } | null {
  if (speeds.length === 0) return null;
  const made = speeds.map(({ newTokens }) => newTokens);
  return { fewest: Math.min(...made), most: Math.max(...made) };
}

function itemResults(
  { name }: VariantSpec,
  items: readonly DataItem[],
  { answers }: VariantRecords,
  scored: Scored | undefined,
): ItemResult[] {
  return items.flatMap((item) => {
    const answer = answers.get(item.id);
    if (answer === undefined) return [];
    const place = scored?.places.get(item.id);
    const scores = Object.assign(
      {},
      ...(place === undefined ? [] : (scored?.measured.map(({ result }) => result.items[place]) ?? [])),
    ) as Record<string, number>;
    return [
      {
        variant: name,
        id: item.id,
        question: item.question,
        image: item.image,
        references: item.references,
        topic: item.topic,
        prediction: answer.prediction,
        newTokens: answer.newTokens,
        finish: answer.finish,
        scores,
      },
    ];
  });
}
