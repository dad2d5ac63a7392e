import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { PictureView } from "@vlmopt/engine";
import type { Run } from "../../records/run-folder.ts";
import type { ItemResult, QualityFigure, VariantSummary } from "../../records/run-summary.ts";
import { type Chance, chanceIn } from "../chance.ts";
import { type PruningKind, precisionColours, pruningKind } from "../figures/palette.ts";
import { figuresInTable, headline, isHeadline, pruningText, titleOf } from "../result-table.ts";

/** A figure that the page can show on an axis and in the table. */
export interface PageFigure {
  readonly key: string;
  readonly title: string;
  readonly digits: number;
  /** Shown as a share of 100. */
  readonly percent: boolean;
  /** Costs go on the lower axis unless the reader chooses otherwise. */
  readonly role: "cost" | "quality";
  readonly inTable: boolean;
  /** Its interval stands beside it in the table, not only on hovering. */
  readonly withInterval: boolean;
}

export interface PageVariant {
  readonly name: string;
  readonly family: string;
  readonly precision: string;
  readonly pruning: string;
  readonly kind: PruningKind;
  readonly colour: string;
  readonly status: VariantSummary["status"];
  readonly error: string | null;
  /** By the key of the figure; missing where it was not measured. */
  readonly values: Readonly<Record<string, number>>;
  readonly intervals: Readonly<Record<string, readonly [number, number]>>;
  /** What its answers would have without looking, by the key of the figure. */
  readonly chance: Readonly<Record<string, number>>;
  /** Figures that differ from the dense model's by more than chance: their p-values. */
  readonly differs: Readonly<Record<string, number>>;
  /** Place of the dense model that it is held against. */
  readonly base: number | null;
}

export interface PageAnswer {
  readonly prediction: string;
  /** Which of the picture's tokens stayed, where some went. */
  readonly picture?: PictureView;
  readonly scores: Readonly<Record<string, number>>;
}

export interface PageItem {
  readonly question: string;
  readonly references: readonly string[];
  readonly topic: string | null;
  /** A data URL. */
  readonly image: string | null;
  /** Key of the figure by which its answers are better or worse. */
  readonly first: string;
  /** By the place of the variant. */
  readonly answers: readonly (PageAnswer | null)[];
}

export interface PageData {
  readonly figures: readonly PageFigure[];
  readonly variants: readonly PageVariant[];
  readonly items: readonly PageItem[];
  readonly x: string;
  readonly y: string;
}

/** Questions whose answers the page shows, and bytes of pictures that it holds, at most. */
const MOST_ITEMS = 100;
const MOST_IMAGE_BYTES = 4_000_000;

export async function pageData(run: Run): Promise<PageData> {
  const { variants } = run.summary;
  const colours = precisionColours(variants);
  const places = new Map(variants.map(({ name }, i) => [name, i]));
  const placeOf = (name: string | null) => (name === null ? null : (places.get(name) ?? null));
  const main = variants.map(headline).find((figure) => figure !== undefined)?.figure;
  const qualities = [
    ...new Set(variants.flatMap((variant) => allFigures(variant).map(({ figure }) => figure))),
  ].filter(isHeadline);
  const tabled = figuresInTable(variants);
  const chanceOf = chanceIn(variants);
  const figures: PageFigure[] = [
    ...costs.map(
      ({ key, title, digits, inTable }): PageFigure => ({
        key,
        title,
        digits,
        percent: false,
        role: "cost",
        inTable,
        withInterval: false,
      }),
    ),
    ...(main === undefined ? [] : [qualityFigure(main, true)]),
    ...(main === undefined
      ? []
      : [
          ...[
            { key: "kept", title: `${titleOf(main)} kept` },
            { key: "aboveFloor", title: "kept above chance" },
          ].map(
            ({ key, title }): PageFigure => ({
              key,
              title,
              digits: 0,
              percent: true,
              role: "quality",
              inTable: true,
              withInterval: true,
            }),
          ),
        ]),
    ...qualities
      .filter((figure) => figure !== main)
      .map((figure) => qualityFigure(figure, tabled.includes(figure))),
  ];
  return {
    figures: figures.filter(({ key }) => variants.some((variant) => valuesOf(variant)[key] !== undefined)),
    variants: variants.map((variant) => ({
      name: variant.name,
      family: variant.family,
      precision: variant.precision,
      pruning: pruningText(variant),
      kind: pruningKind(variant),
      colour: colours.get(variant.precision) ?? "#7f7f7f",
      status: variant.status,
      error: variant.error,
      values: valuesOf(variant),
      intervals: intervalsOf(variant),
      chance: chancesOf(variant, chanceOf, main),
      differs: Object.fromEntries(
        allFigures(variant).flatMap(({ figure, versus }) =>
          versus && versus.p < LEVEL ? [[figure, versus.p]] : [],
        ),
      ),
      base: placeOf(variant.base),
    })),
    items: await itemsOf(run),
    x: "latency",
    y: main ?? "",
  };
}

function qualityFigure(figure: string, inTable: boolean): PageFigure {
  return {
    ...{ key: figure, title: titleOf(figure), digits: 3, percent: false },
    ...{ role: "quality", inTable, withInterval: false },
  };
}

/** Differences whose p lies below it are marked. */
const LEVEL = 0.05;

function chancesOf(
  variant: VariantSummary,
  chanceOf: Chance,
  main: string | undefined,
): Record<string, number> {
  const found = allFigures(variant).flatMap(({ figure }): [string, number][] => {
    const chance = chanceOf(variant, figure);
    return chance === undefined ? [] : [[figure, chance]];
  });
  const floor = found.find(([figure]) => figure === main)?.[1];
  const { retention } = headline(variant) ?? {};
  const dense = retention?.ofDense ? (headline(variant)?.score ?? 0) / retention.ofDense : undefined;
  return {
    ...Object.fromEntries(found),
    ...(floor === undefined ? {} : { aboveFloor: 0 }),
    ...(floor === undefined || dense === undefined ? {} : { kept: floor / dense }),
  };
}

interface CostFigure {
  readonly key: string;
  readonly title: string;
  readonly digits: number;
  readonly inTable: boolean;
  of(variant: VariantSummary): number | undefined;
}

const costs: readonly CostFigure[] = [
  {
    key: "size",
    title: "MB",
    digits: 1,
    inTable: true,
    of: ({ size }) => (size ? size.bytes / 1e6 : undefined),
  },
  { key: "bits", title: "bits per weight", digits: 2, inTable: false, of: ({ size }) => size?.bitsPerWeight },
  { key: "ttft", title: "first token ms", digits: 1, inTable: true, of: ({ speed }) => speed?.ttft.median },
  { key: "tpot", title: "token ms", digits: 2, inTable: true, of: ({ speed }) => speed?.tpot?.median },
  { key: "latency", title: "latency ms", digits: 1, inTable: true, of: ({ speed }) => speed?.latency.median },
  {
    key: "rate",
    title: "tokens/s",
    digits: 0,
    inTable: true,
    of: ({ speed }) => speed?.tokensPerSecond.median,
  },
  {
    key: "loading",
    title: "loading ms",
    digits: 0,
    inTable: false,
    of: ({ speed }) => speed?.loadTime.median,
  },
  { key: "memory", title: "memory MB", digits: 0, inTable: true, of: memoryOf },
  {
    key: "visualTokens",
    title: "visual tokens kept",
    digits: 0,
    inTable: true,
    of: ({ visualTokens }) => visualTokens?.keep,
  },
  {
    key: "promptTokens",
    title: "prompt tokens",
    digits: 0,
    inTable: false,
    of: ({ promptTokens }) => promptTokens?.median,
  },
  {
    key: "cache",
    title: "cache MB",
    digits: 2,
    inTable: false,
    of: ({ cacheBytes }) => (cacheBytes ? cacheBytes.median / 1e6 : undefined),
  },
  {
    key: "joules",
    title: "J per token",
    digits: 2,
    inTable: true,
    of: ({ energy }) => energy?.joulesPerToken,
  },
];

function memoryOf({ memory: { devicePeak, executorPeak, processPeak } }: VariantSummary): number | undefined {
  const figure = devicePeak ?? executorPeak ?? processPeak;
  return figure === null ? undefined : figure.bytes / 1e6;
}

function allFigures({ quality, q }: VariantSummary) {
  return q === null ? quality : [q, ...quality];
}

function valuesOf(variant: VariantSummary): Record<string, number> {
  const retention = headline(variant)?.retention;
  const entries: [string, number | null | undefined][] = [
    ...costs.map(({ key, of }): [string, number | undefined] => [key, of(variant)]),
    ...allFigures(variant).map(({ figure, score }): [string, number] => [figure, score]),
    ["kept", retention?.ofDense],
    ["aboveFloor", retention?.aboveFloor],
  ];
  return Object.fromEntries(
    entries.filter(
      (entry): entry is [string, number] => typeof entry[1] === "number" && Number.isFinite(entry[1]),
    ),
  );
}

function intervalsOf(variant: VariantSummary): Record<string, [number, number]> {
  const { speed } = variant;
  const retention = headline(variant)?.retention;
  const entries: [string, { low: number | null; high: number | null } | null | undefined][] = [
    ["ttft", speed?.ttft],
    ["tpot", speed?.tpot],
    ["latency", speed?.latency],
    ["rate", speed?.tokensPerSecond],
    ...allFigures(variant).map((figure): [string, QualityFigure] => [figure.figure, figure]),
    ["kept", retention && { low: retention.ofDenseLow ?? null, high: retention.ofDenseHigh ?? null }],
    ["aboveFloor", retention],
  ];
  return Object.fromEntries(
    entries.flatMap(([key, interval]) =>
      typeof interval?.low === "number" && typeof interval.high === "number"
        ? [[key, [interval.low, interval.high]]]
        : [],
    ),
  );
}

/** Questions that all variants answered come first; from all topics, as they come. */
async function itemsOf({ folder, summary, items }: Run): Promise<PageItem[]> {
  const byId = new Map<string, Map<string, ItemResult>>();
  for (const item of items) {
    const answers = byId.get(item.id) ?? new Map<string, ItemResult>();
    byId.set(item.id, answers.set(item.variant, item));
  }
  const chosen = [...byId.values()].sort((a, b) => b.size - a.size).slice(0, MOST_ITEMS);
  // Of each question, the first figure that its answers have by themselves.
  const order = summary.variants
    .flatMap(({ quality }) => quality.map(({ figure }) => figure))
    .filter(isHeadline);
  let room = MOST_IMAGE_BYTES;
  const shown: PageItem[] = [];
  for (const answers of chosen) {
    const [first] = answers.values();
    if (first === undefined) continue;
    const bytes = await readFile(join(folder, first.image)).catch(() => undefined);
    const fits = bytes !== undefined && bytes.byteLength <= room;
    if (fits) room -= bytes.byteLength;
    shown.push({
      question: first.question,
      references: first.references,
      topic: first.topic,
      first: order.find((figure) => first.scores[figure] !== undefined) ?? Object.keys(first.scores)[0] ?? "",
      image: fits ? `data:${mediaType(bytes)};base64,${bytes.toString("base64")}` : null,
      answers: summary.variants.map(({ name }) => {
        const answer = answers.get(name);
        if (answer === undefined) return null;
        const [picture] = answer.pictures ?? [];
        return { prediction: answer.prediction, scores: answer.scores, ...(picture && { picture }) };
      }),
    });
  }
  return shown;
}

function mediaType(bytes: Uint8Array): string {
  if (bytes[0] === 0x89) return "image/png";
  if (bytes[0] === 0x47) return "image/gif";
  if (bytes[0] === 0x52) return "image/webp";
  return "image/jpeg";
}
