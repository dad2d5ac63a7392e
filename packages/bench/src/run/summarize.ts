import { medianInterval } from "../protocol/median-interval.ts";
import { speedFigures } from "../protocol/speed-figures.ts";
import { pruningLabels } from "../recipe/pruning-labels.ts";
import type { Recipe, VariantSpec } from "../recipe/read-recipe.ts";
import { precisionOf } from "../recipe/recipe.ts";
import type { Run } from "../records/run-folder.ts";
import type { ItemResult, QualityFigure, SpeedFigures, VariantSummary } from "../records/run-summary.ts";
import { requestsAtOnce } from "../targets/endpoint-pool.ts";
import { openScorer, type Scored, taskFigure } from "../tasks/run-judges.ts";
import { readAnswer } from "../tasks/task-units.ts";
import type { DataItem } from "./data-item.ts";
import type { Findings, VariantFindings } from "./findings.ts";
import { judgeResources, qualityFigures, type Reference } from "./quality.ts";

/** Turns records into figures: medians with intervals, scores, and what is kept of the dense model's. */
export async function summarize(folder: string, findings: Findings): Promise<Run> {
  const { recipe, data } = findings;
  const { protocol } = recipe;
  const resources = judgeResources(recipe);
  const variants: VariantSummary[] = [];
  const items: ItemResult[] = [];
  const references = new Map<string, readonly (Reference | undefined)[]>();
  const headlines = new Map<string, string>();
  const scorable = answeredByAll(findings);
  try {
    const score = await openScorer(recipe.metrics, data, resources);
    for (const variant of denseFirst(recipe.variants)) {
      const of = findings.variants.get(variant.name);
      if (of === undefined) continue;
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
      variants.push(variantSummary({ recipe, variant, base, of, figures, questions: data.items }));
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
    ...recipe.variants.map(({ source }) => ("endpoint" in source ? requestsAtOnce(source.endpoint) : 1)),
  );
  return {
    folder,
    summary: {
      version: 1,
      name: recipe.name,
      completed: variants.every(({ status }) => status !== "incomplete"),
      startedAt: findings.startedAt,
      finishedAt: findings.finishedAt,
      environment: findings.environment,
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

/** Questions that every variant answered of which nothing is left to measure: scores of the same questions compare. */
function answeredByAll({ data, variants }: Findings): readonly DataItem[] {
  const complete = [...variants.values()].filter(({ end }) => end !== undefined);
  return data.items.filter(({ id }) => complete.every(({ answers }) => answers.has(id)));
}

interface Summarized {
  readonly recipe: Recipe;
  readonly variant: VariantSpec;
  readonly base: VariantSpec | undefined;
  readonly of: VariantFindings;
  readonly figures: readonly (readonly QualityFigure[])[];
  readonly questions: readonly DataItem[];
}

function variantSummary({ recipe, variant, base, of, figures, questions }: Summarized): VariantSummary {
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
    hash: of.variant?.hash ?? "",
    family: variant.family,
    base: base?.name ?? null,
    pruning: pruningLabels(variant.prune),
    precision:
      variant.precision ??
      of.variant?.precision ??
      (variant.quantize && precisionOf(variant.quantize)) ??
      "unknown",
    target: "endpoint" in variant.source ? "endpoint" : "engine",
    status: whole ? "complete" : error === undefined ? "incomplete" : "failed",
    error: whole ? null : (error ?? null),
    unanswered: questions.flatMap(({ id, place }) => {
      const problem = unanswered.get(id);
      return problem === undefined ? [] : [{ place, problem }];
    }),
    size: of.variant?.size ?? null,
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

function speedOf(
  { loads, speeds }: VariantFindings,
  { source }: VariantSpec,
  confidence: number,
): SpeedFigures | null {
  const atOnce = "endpoint" in source ? requestsAtOnce(source.endpoint) : 1;
  const loadTimes = loads.map(({ milliseconds }) => milliseconds);
  return speedFigures(loadTimes, speeds, { atOnce, confidence });
}

function speedTokensOf({ speeds }: VariantFindings): { fewest: number; most: number } | null {
  if (speeds.length === 0) return null;
  const made = speeds.map(({ newTokens }) => newTokens);
  return { fewest: Math.min(...made), most: Math.max(...made) };
}

function itemResults(
  { name }: VariantSpec,
  items: readonly DataItem[],
  { answers }: VariantFindings,
  scored: Scored | undefined,
): ItemResult[] {
  return items.flatMap((item) => {
    const answer = answers.get(item.id);
    if (answer === undefined) return [];
    const { id, question, images, picture, references, topic, task, unit } = item;
    return [
      {
        variant: name,
        id,
        question,
        ...(answer.prompt === undefined ? {} : { prompt: answer.prompt }),
        image: images[0] ?? "",
        ...(picture === undefined ? {} : { picture }),
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
