import type { QualityFigure, RunSummary, VariantSummary } from "../records/run-summary.ts";
import { headline, isHeadline, titleOf } from "./result-table.ts";

/** Share of the dense model's skill below which a variant is not worth its size. */
export const WORTH_IT = 0.95;
/** Differences whose p lies below it are called so. */
const LEVEL = 0.05;
/** Figures of which less is better. */
const FALLING = new Set(["perplexity", "perplexity-corpus"]);

/** What a report says first. */
export interface Verdict {
  /** The smallest variant that is shown to keep the dense model's skill; undefined where none is. */
  readonly smallest: VariantSummary | undefined;
  readonly base: VariantSummary;
  /** Figure of the skill that is kept. */
  readonly figure: string;
  /** Variants that keep it, but are worse by the recipe's first metric. */
  readonly worse: readonly { readonly variant: VariantSummary; readonly first: QualityFigure }[];
}

/**
 * The smallest variant whose retention is 95 % or more at the lower end of its interval, and whose score by the recipe's first metric is not
 * significantly worse than the dense model's. Undefined where nothing was held against a dense model.
 */
export function verdictOf({ variants }: Pick<RunSummary, "variants">): Verdict | undefined {
  const held = variants.flatMap((variant) => {
    const base = variants.find(({ name }) => name === variant.base);
    const figure = headline(variant);
    if (!base?.size || !variant.size || !figure?.retention || variant.size.bytes >= base.size.bytes)
      return [];
    return [{ variant, base, figure, bytes: variant.size.bytes }];
  });
  const [any] = held;
  if (any === undefined) return undefined;
  const keeps = held.filter(({ figure }) => (figure.retention?.low ?? 0) >= WORTH_IT);
  const isWorse = ({ variant }: (typeof held)[number]) => significantlyWorse(firstFigure(variant));
  const [best] = keeps.filter((one) => !isWorse(one)).sort((a, b) => a.bytes - b.bytes);
  const { base, figure } = best ?? any;
  return {
    smallest: best?.variant,
    base,
    figure: figure.figure,
    worse: keeps
      .filter((one) => isWorse(one) && (best === undefined || one.bytes < best.bytes))
      .map(({ variant }) => ({ variant, first: firstFigure(variant) as QualityFigure })),
  };
}

/** The first figure of the recipe's first metric. */
function firstFigure({ quality }: VariantSummary): QualityFigure | undefined {
  return quality.find(({ figure }) => isHeadline(figure));
}

export function significantlyWorse(figure: QualityFigure | undefined): boolean {
  if (!figure?.versus) return false;
  const { difference, p } = figure.versus;
  return p < LEVEL && (FALLING.has(figure.figure) ? difference > 0 : difference < 0);
}

/** The verdict in words; names of variants between `mark` of them. */
export function verdictText(verdict: Verdict, mark: (name: string) => string = (name) => name): string {
  const { smallest, base, figure, worse } = verdict;
  const skill = `${mark(base.name)}’s ${titleOf(figure)} above chance`;
  const needed = `${Math.round(100 * WORTH_IT)} %`;
  const but = worse.map(
    ({ variant, first }) =>
      ` ${mark(variant.name)} keeps it too, but its ${titleOf(first.figure)} is worse: ${signed(first.versus?.difference)}, p = ${(first.versus?.p ?? 0).toPrecision(2)}.`,
  );
  if (smallest === undefined)
    return `No variant is shown to keep ${needed} of ${skill}${worse.length > 0 ? " without loss elsewhere" : ": the lower ends of all intervals lie below"}.${but.join("")}`;
  const { aboveFloor, low, high } = headline(smallest)?.retention ?? {};
  const speed =
    base.speed && smallest.speed
      ? `, ${(base.speed.latency.median / smallest.speed.latency.median).toFixed(2)} × its speed`
      : "";
  return `${mark(smallest.name)} is the smallest that keeps ${needed} of ${skill}: ${percent(aboveFloor)} of it (${percent(low)} to ${percent(high)}), at ${percent((smallest.size?.bytes ?? 0) / (base.size?.bytes ?? 1))} of its size${speed}.${but.join("")}`;
}

function signed(difference = 0): string {
  return `${difference > 0 ? "+" : "−"}${Math.abs(difference).toFixed(3)}`;
}

function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${Math.round(100 * share)} %`;
}
