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
import { openScorer, type Scored, taskFigure } from "../tasks/run-judges.ts";
import { readAnswer } from "../tasks/task-units.ts";
import type { DataItem } from "./data-item.ts";
import { environment } from "./environment.ts";
import type { RunData } from "./open-data.ts";
import type { Prepared } from "./prepared.ts";
import { judgeResources, qualityFigures, type Reference } from "./quality.ts";

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
  const resources = judgeResources(recipe);
  const variants: VariantSummary[] = [];
  const items: ItemResult[] = [];
  const references = new Map<string, readonly (Reference | undefined)[]>();
  const headlines = new Map<string, string>();
  const scorable = answeredByAll(data.items, recipe, prepared, records);
  try {
    const score = await openScorer(recipe.metrics, data, resources);
    for (const variant of denseFirst(recipe.variants)) {
      const ready = prepared.get(variant.name);
      const of = recordsOf(records, ready?.hash);
      const base = baseOf(variant, recipe.variants);
      const isScored = of.end !== undefined && scorable.length > 0;
      const scored = isScored ? await score(scorable, of.answers) : undefined;
      for (const { task } of data.tasks) {
        const own = scored?.measured.filter((one) => one.task === task.name) ?? [];
        if (own.length > 0) headlines.set(task.name, taskFigure(task, own));
      }
      const held = base === undefined ? undefined : references.get(base.name);
      if (base === undefined && scored !== undefined) {
        references.set(variant.name, await scored.references());
      }
      const figures =
        scored?.measured.map((measured, i) => qualityFigures(measured, held?.[i], protocol.confidence)) ?? [];
      variants.push(variantSummary({ recipe, variant, ready, base, of, figures, questions: data.items }));
      items.push(...itemResults(variant, data.items, of, scored));
    }
  } finally {
    await resources.release();
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
      ...(data.tasks.length === 0
        ? {}
        : {
            tasks: data.tasks.map(({ task, prompt, summary }) => ({
              name: task.name,
              title: task.title,
              prompt,
              dataset: { ...summary, scored: scorable.filter((item) => item.task === task.name).length },
              figure: headlines.get(task.name) ?? task.name,
              full: task.full,
            })),
          }),
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

function isMade({ prune, quantize, visualTokens }: VariantSpec): boolean {
  return prune !== undefined || quantize !== undefined || visualTokens !== undefined;
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
    visualTokens: variant.visualTokens ?? null,
    cacheBytes: estimate(texts.map(({ cacheBytes }) => cacheBytes ?? null)),
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
    const { id, question, images, references, topic, task, unit } = item;
    return [
      {
        variant: name,
        id,
        question,
        ...(answer.prompt === undefined ? {} : { prompt: answer.prompt }),
        image: images[0] ?? "",
        ...(task === undefined ? {} : { task, reading: readAnswer(item, answer.prediction) }),
        ...(unit === undefined ? {} : { unit }),
        references,
        topic,
        prediction: answer.prediction,
        ...(answer.pictures === undefined ? {} : { pictures: answer.pictures }),
        newTokens: answer.newTokens,
        finish: answer.finish,
        scores: scored?.items.get(id) ?? {},
      },
    ];
  });
}
