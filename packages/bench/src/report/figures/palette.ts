import type { VariantSummary } from "../../records/run-summary.ts";

/** Colours that colour-blind people tell apart (Okabe and Ito 2008), for precisions in the order in which they come. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f"];

export const SYMBOLS = {
  "not pruned": "circle",
  neurons: "triangle",
  heads: "square",
  layers: "diamond",
  weights: "star",
  several: "wye",
} as const;

export type PruningKind = keyof typeof SYMBOLS;

export function pruningKind({ pruning }: VariantSummary): PruningKind {
  const [first, second] = pruning;
  if (first === undefined) return "not pruned";
  if (second !== undefined) return "several";
  return ({ glu: "neurons", heads: "heads", layers: "layers", l1: "weights" } as const)[first.kind];
}

/** The colour of each precision. */
export function precisionColours(variants: readonly VariantSummary[]): ReadonlyMap<string, string> {
  const precisions = [...new Set(variants.map(({ precision }) => precision))];
  return new Map(precisions.map((precision, i) => [precision, COLOURS[i % COLOURS.length] as string]));
}
