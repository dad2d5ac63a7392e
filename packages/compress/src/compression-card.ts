import type { ModelSize, PruningPlan } from "@vlmopt/pruning";
import type { ChosenFormats } from "./budget/quantization-budget.ts";
import type { BlockReport } from "./calibration.ts";
import type { Compression } from "./compression.ts";

type About = Readonly<Record<string, string | number>>;

/** What `compression.json` says: how, with what data, and what it did to each block. */
export function compressionRecord(
  compression: Compression,
  data: About,
  blocks: readonly BlockReport[],
  formats?: ChosenFormats,
) {
  return { version: 1, compression, data, ...(formats && { formats }), blocks };
}

/** A model card (README.md of a model folder) that says what was done to which model, with the sizes before and after. */
export function compressionCard({
  plan,
  reports,
  about,
  baseModel,
}: {
  readonly plan: PruningPlan;
  readonly reports: readonly BlockReport[];
  /** Undefined where weights alone decided. */
  readonly about: About | undefined;
  readonly baseModel: string;
}): string {
  const row = (name: string, of: (size: ModelSize) => number) => {
    const [before, after] = [of(plan.before), of(plan.after)];
    const share = before === 0 ? "" : `${((100 * after) / before).toFixed(1)} %`;
    return `| ${name} | ${before.toLocaleString("en-US")} | ${after.toLocaleString("en-US")} | ${share} |`;
  };
  const byPlan = plan.made.data !== undefined;
  const how =
    about === undefined && byPlan
      ? `Made by vlmopt after a saved plan, \`pruning.json\`: data chose what went, and what stayed was not fitted to them. No recovery training.`
      : about === undefined
        ? `Made by vlmopt from the weights alone: no calibration, no repair, no recovery training. On trained language models such a choice is
worse than chance; \`pruning.json\` holds the plan with all indices.`
        : `Made by vlmopt: activations of calibration data chose what went, least squares fitted what stayed, layer by layer. No recovery
training. \`pruning.json\` holds the plan with all indices, \`compression.json\` the error of each layer before and after the fit.`;
  return `---
base_model: ${JSON.stringify(baseModel)}
base_model_relation: finetune
library_name: transformers
tags:
- vlmopt
- pruned
---

# ${baseModel}, compressed

${how}

| | before | after | |
|---|---:|---:|---:|
${row("parameters", (size) => size.parameters)}
${row("bytes", (size) => size.bytes)}
${row("layers", (size) => size.layers)}
${row("neurons of a layer's MLP", (size) => size.neurons)}
${row("attention heads", (size) => size.heads)}
${row("key-value heads", (size) => size.kvHeads)}
${row("FLOPs a token, linears of the layers", (size) => size.flopsPerToken)}

${table("how", Object.entries(plan.made))}
${about === undefined ? "" : `${table("data", Object.entries(about))}\n${errorTable(reports)}`}`;
}

/** What quantizing did to each linear, and on what data. */
export function linearTable(reports: readonly BlockReport[], about?: About): string {
  const linears = reports.flatMap((report) => report.linears ?? []);
  const data = about === undefined ? "" : `\n${table("data", Object.entries(about))}`;
  if (linears.length === 0) return data;
  const rows = linears.map(
    ({ name, method, nearest, error }) => `| ${name} | ${method} | ${percent(nearest)} | ${percent(error)} |`,
  );
  return `${data}\n| squared error of what a linear gives | method | without data | |\n|---|---|---:|---:|\n${rows.join("\n")}\n`;
}

function table(title: string, entries: readonly (readonly [string, string | number])[]): string {
  return `| ${title} | |\n|---|---|\n${entries.map(([key, value]) => `| ${key} | ${value} |`).join("\n")}\n`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
}

function errorTable(reports: readonly BlockReport[]): string {
  const rows = reports.flatMap(({ layer, kind, unfittedError, streamError }) =>
    unfittedError === undefined
      ? []
      : [`| ${layer} ${kind} | ${percent(unfittedError)} | ${percent(streamError)} |`],
  );
  const loss = reports.find(({ kind }) => kind === "norm")?.loss;
  const norm = loss === undefined ? "" : `\n${finalNormSentence(loss)}\n`;
  return `| squared error of the residual stream on held-out data, behind | before the fit | after |\n|---|---:|---:|\n${rows.join("\n")}\n${norm}`;
}

/** What fitting the final norm changed. */
export function finalNormSentence({ before, after }: NonNullable<BlockReport["loss"]>): string {
  return `The final norm's gain is fitted too: ${before.toFixed(4)} → ${after.toFixed(4)} nats a token on held-out data.`;
}
