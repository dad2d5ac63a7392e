import type { Estimate, QualityFigure, RunSummary, VariantSummary } from "../records/run-summary.ts";
import { remarks } from "./remarks.ts";

/** A column of results: what it is called in CSV, and what stands in it. */
export interface ResultColumn {
  readonly name: string;
  value(variant: VariantSummary): string | number | null;
}

const seconds = (milliseconds: number | undefined) =>
  milliseconds === undefined ? null : milliseconds / 1000;
const bound = (
  name: string,
  of: (variant: VariantSummary) => Estimate | null | undefined,
): ResultColumn[] => [
  { name: `${name}_ms`, value: (variant) => of(variant)?.median ?? null },
  { name: `${name}_ms_low`, value: (variant) => of(variant)?.low ?? null },
  { name: `${name}_ms_high`, value: (variant) => of(variant)?.high ?? null },
];

/** The seed's columns by its names and in its order, then ours. */
export function resultColumns({ variants }: RunSummary): ResultColumn[] {
  const figures = [...new Set(variants.flatMap(({ quality }) => quality.map(({ figure }) => figure)))];
  const of = (variant: VariantSummary, name: string) => figureOf(variant, name)?.score ?? null;
  const seed: ResultColumn[] = [
    { name: "model", value: ({ name }) => name },
    { name: "quantization", value: ({ precision }) => precision },
    { name: "load_time_s", value: ({ speed }) => seconds(speed?.loadTime.median) },
    { name: "model_size_mb", value: ({ size }) => (size === null ? null : size.bytes / 1e6) },
    { name: "model_parameters", value: ({ size }) => size?.parameters ?? null },
    // As the seed measured it: of answers that end by themselves.
    { name: "avg_latency_s", value: ({ answerLatency }) => seconds(answerLatency?.median) },
    { name: "mean_answer_length", value: ({ answerCharacters }) => answerCharacters },
    ...["meteor", "sacrebleu", "rouge1", "rouge2", "rougeL"].map(
      (name): ResultColumn => ({
        name,
        value: (variant) => of(variant, name === "sacrebleu" ? "bleu" : name),
      }),
    ),
    ...(["precision", "recall", "f1"] as const).map(
      (part): ResultColumn => ({
        name: `bertscore_${part}`,
        value: (variant) => of(variant, part === "f1" ? "bertscore" : `bertscore-${part}`),
      }),
    ),
    { name: "perplexity", value: (variant) => of(variant, "perplexity") },
  ];
  const known = new Set(["meteor", "bleu", "rouge1", "rouge2", "rougeL", "perplexity"]);
  return [
    ...seed,
    { name: "family", value: ({ family }) => family },
    { name: "pruning", value: (variant) => pruningText(variant) },
    { name: "visual_tokens", value: ({ visualTokens }) => visualTokens?.keep ?? null },
    { name: "visual_method", value: ({ visualTokens }) => visualTokens?.method ?? null },
    { name: "visual_merge", value: ({ visualTokens }) => (visualTokens ? String(visualTokens.merge) : null) },
    { name: "status", value: ({ status }) => status },
    { name: "error", value: ({ error }) => error },
    { name: "bits_per_weight", value: ({ size }) => size?.bitsPerWeight ?? null },
    ...bound("ttft", ({ speed }) => speed?.ttft),
    ...bound("tpot", ({ speed }) => speed?.tpot),
    ...bound("latency", ({ speed }) => speed?.latency),
    { name: "tokens_per_second", value: ({ speed }) => speed?.tokensPerSecond.median ?? null },
    { name: "prompt_tokens", value: ({ promptTokens }) => promptTokens?.median ?? null },
    { name: "kv_cache_bytes", value: ({ cacheBytes }) => cacheBytes?.median ?? null },
    { name: "new_tokens", value: ({ newTokens }) => newTokens?.median ?? null },
    { name: "process_peak_bytes", value: ({ memory }) => memory.processPeak?.bytes ?? null },
    { name: "device_peak_bytes", value: ({ memory }) => memory.devicePeak?.bytes ?? null },
    { name: "joules_per_token", value: ({ energy }) => energy?.joulesPerToken ?? null },
    { name: "q", value: ({ q }) => q?.score ?? null },
    { name: "q_retention", value: ({ q }) => q?.retention?.ofDense ?? null },
    { name: "q_retention_above_floor", value: ({ q }) => q?.retention?.aboveFloor ?? null },
    ...figures
      .filter((figure) => !known.has(figure) && !figure.startsWith("bertscore"))
      .map((figure): ResultColumn => ({ name: figure, value: (variant) => of(variant, figure) })),
    ...["q", ...figures].filter(isHeadline).flatMap((figure) => intervalColumns(figure)),
  ];
}

/** What a figure's number does not tell by itself: how sure it is, and what is kept. */
function intervalColumns(figure: string): ResultColumn[] {
  const of = (name: string, value: (found: QualityFigure) => number | null | undefined): ResultColumn => ({
    name: `${figure}_${name}`,
    value: (variant) => {
      const found = figureOf(variant, figure);
      return (found && value(found)) ?? null;
    },
  });
  return [
    of("low", ({ low }) => low),
    of("high", ({ high }) => high),
    of("kept", ({ retention }) => retention?.ofDense),
    of("kept_low", ({ retention }) => retention?.ofDenseLow),
    of("kept_high", ({ retention }) => retention?.ofDenseHigh),
    of("above_chance", ({ retention }) => retention?.aboveFloor),
    of("above_chance_low", ({ retention }) => retention?.low),
    of("above_chance_high", ({ retention }) => retention?.high),
    of("chance", ({ retention }) => retention?.floor),
    of("versus_p", ({ versus }) => versus?.p),
  ];
}

/** CSV (RFC 4180), a variant a line. */
export function resultsCsv(summary: RunSummary): string {
  const columns = resultColumns(summary);
  const lines = summary.variants.map((variant) => columns.map(({ value }) => cell(value(variant))));
  return [columns.map(({ name }) => name), ...lines].map((line) => `${line.join(",")}\r\n`).join("");
}

function cell(value: string | number | null): string {
  // What computers add to decimals is no measurement.
  const text = value === null ? "" : String(typeof value === "number" ? Number(value.toPrecision(9)) : value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Precision and recall stand behind the figure that combines them. */
export function isHeadline(figure: string): boolean {
  return !/-(precision|recall)$/.test(figure);
}

/** The figure that stands for quality: the seed's Q, else the first headline figure. */
export function headline({ q, quality }: VariantSummary): QualityFigure | undefined {
  return q ?? quality.find(({ figure }) => isHeadline(figure));
}

/** Figures that tables have room for: the one that stands for quality, the recipe's first, and exact match where it was measured. */
export function figuresInTable(variants: readonly VariantSummary[]): string[] {
  const main = variants.map(headline).find((figure) => figure !== undefined)?.figure;
  const measured = variants.flatMap(({ quality }) => quality.map(({ figure }) => figure)).filter(isHeadline);
  const exact = measured.includes("exact-match") ? ["exact-match"] : [];
  const ofTasks = taskFigures(variants).map(({ figure }) => figure);
  const others = ofTasks.length > 0 ? ofTasks : [...measured.slice(0, 1), ...exact];
  return [...new Set([...(main === undefined ? [] : [main]), ...others])];
}

/** The figure that stands for each task, which is its first. */
export function taskFigures(variants: readonly VariantSummary[]): { task: string; figure: string }[] {
  const found = new Map<string, string>();
  for (const { quality } of variants)
    for (const { task, figure } of quality)
      if (task !== undefined && !found.has(task)) found.set(task, figure);
  return [...found].map(([task, figure]) => ({ task, figure }));
}

export function figureOf({ quality, q }: VariantSummary, name: string): QualityFigure | undefined {
  return name === "q" ? (q ?? undefined) : quality.find(({ figure }) => figure === name);
}

export function pruningText({ pruning }: VariantSummary): string {
  return pruning
    .map(({ kind, ratio }) =>
      kind === "layers" ? `${ratio} layers` : `${kind} ${Math.round(ratio * 100)} %`,
    )
    .join(" + ");
}

/** A table for people: what was measured of each variant, as text. */
export function resultTable({ variants }: RunSummary): { head: string[]; rows: string[][] } {
  const figures = figuresInTable(variants);
  const memory = variants.some((variant) => variant.memory.devicePeak !== null)
    ? "devicePeak"
    : "processPeak";
  const fewer = variants.some(({ visualTokens }) => visualTokens !== undefined && visualTokens !== null);
  return {
    head: [
      "variant",
      "weights",
      "MB",
      "first token ms",
      "token ms",
      "tokens/s",
      "memory MB",
      ...(fewer ? ["visual tokens", "prompt tokens", "cache MB"] : []),
      ...figures.map(titleOf),
      "kept",
      "above chance",
    ],
    rows: variants.map((variant) => {
      const { speed, size, status } = variant;
      const kept = headline(variant)?.retention;
      return [
        status === "complete" ? variant.name : `${variant.name} (${status})`,
        variant.precision,
        number(size && size.bytes / 1e6, 1),
        number(speed?.ttft.median, 1),
        number(speed?.tpot?.median, 2),
        number(speed?.tokensPerSecond.median, 0),
        number(variant.memory[memory] && variant.memory[memory].bytes / 1e6, 0),
        ...(fewer
          ? [
              variant.visualTokens ? String(variant.visualTokens.keep) : "all",
              number(variant.promptTokens?.median, 0),
              number(variant.cacheBytes && variant.cacheBytes.median / 1e6, 2),
            ]
          : []),
        ...figures.map((name) => scoreText(figureOf(variant, name))),
        shareText(kept?.ofDense, kept?.ofDenseLow, kept?.ofDenseHigh),
        shareText(kept?.aboveFloor, kept?.low, kept?.high),
      ];
    }),
  };
}

/** How figures are called in tables and on axes. */
export function titleOf(figure: string): string {
  const titles: Readonly<Record<string, string>> = {
    q: "Q",
    meteor: "METEOR",
    bertscore: "BERTScore",
    bleu: "BLEU",
    rouge1: "ROUGE-1",
    rouge2: "ROUGE-2",
    rougeL: "ROUGE-L",
    rougeLsum: "ROUGE-Lsum",
    "exact-match": "exact match",
    "token-f1": "token F1",
    anls: "ANLS",
    "vqa-accuracy": "VQA accuracy",
    mean: "mean over tasks",
    "anls-lmms": "ANLS",
    "exact-match-lmms": "exact match",
    "letter-match": "accuracy",
    "relaxed-accuracy": "relaxed accuracy",
    mmmu: "accuracy",
    circular: "circular accuracy",
    "ocrbench-accuracy": "accuracy",
    ocrbench: "points",
    "pope-f1": "F1",
    "pope-accuracy": "accuracy",
    "pope-yes-rate": "yes rate",
    "mme-perception": "perception",
    "mme-cognition": "cognition",
    "box-acc@0.5": "IoU ≥ 0.5",
    "box-iou": "mean IoU",
  };
  const [task, own] = figure.split("/");
  return own === undefined ? (titles[figure] ?? figure) : `${task} ${titles[own] ?? own}`;
}

/** Markdown. */
export function resultsMarkdown(summary: RunSummary): string {
  const { head, rows } = resultTable(summary);
  const line = (cells: readonly string[]) =>
    `| ${cells.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |\n`;
  const { dataset, environment, protocol } = summary;
  return [
    `# ${summary.name}\n\n`,
    `${dataset.count} questions of ${dataset.name}; speed at ${protocol.newTokens} new tokens, medians of at least ${protocol.minRepetitions} requests. `,
    `${environment.cpu}, ${environment.cores} cores${environment.gpus.map(({ name }) => `, ${name}`).join("")}; vlmopt ${environment.vlmopt}, Node ${environment.node}.\n\n`,
    line(head),
    line(head.map((_, i) => (i < 2 ? "---" : "---:"))),
    ...rows.map(line),
    `\n${tableNotes(summary)}\n`,
    ...failures(summary),
    ...remarks(summary).map((remark) => `\n${remark}\n`),
  ].join("");
}

/** What the columns of the table mean. */
export function tableNotes({ variants, protocol }: Pick<RunSummary, "variants" | "protocol">): string {
  const figure = variants.map(headline).find((found) => found !== undefined)?.figure ?? "quality";
  return `kept: share of the dense model's ${titleOf(figure)}; above chance: the same above what its answers score against other questions' references; both with ${100 * protocol.confidence} % intervals. *: differs from the dense model's by more than chance, p < 0.05, not corrected for the number of variants.`;
}

function failures({ variants }: RunSummary): string[] {
  const failed = variants.filter(({ status }) => status === "failed");
  if (failed.length === 0) return [];
  return [
    "\nFailed:\n\n",
    ...failed.map(({ name, error }) => `- ${name}: ${error ?? "for an unknown reason"}\n`),
  ];
}

function number(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? "–" : value.toFixed(digits);
}

/** A score, with a mark where it differs from the dense model's by more than chance. */
function scoreText(figure: QualityFigure | undefined): string {
  const differs = figure?.versus !== undefined && figure.versus !== null && figure.versus.p < 0.05;
  return `${number(figure?.score, 3)}${differs ? "*" : ""}`;
}

/** `96 % (91–100)` */
function shareText(
  share: number | null | undefined,
  low: number | null | undefined,
  high: number | null | undefined,
): string {
  if (share === null || share === undefined) return "–";
  const whole = (value: number) => String(Math.round(value * 100)).replace("-", "−");
  const known = typeof low === "number" && typeof high === "number";
  return `${whole(share)} %${known ? ` (${whole(low)}–${whole(high)})` : ""}`;
}
