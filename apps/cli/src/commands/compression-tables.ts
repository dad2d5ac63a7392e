import {
  type BlockReport,
  type ChosenFormats,
  type CompressionPreview,
  finalNormSentence,
} from "@vlmopt/compress";
import type { ModelSize, PruningPlan } from "@vlmopt/pruning";
import { formatBytes, formatCount } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";
import { chosenFormats, errorReport, quantizationSummary } from "./quantization-options.ts";

interface Printed extends CompressionPreview {
  readonly reports: readonly BlockReport[];
  readonly formats?: ChosenFormats | undefined;
}

/** Prints notes about rounding first, then sizes, then errors. */
export function printCompression(
  { plan, notes, reports, quantization, formats }: Printed,
  { json, planOnly }: { readonly json: boolean; readonly planOnly: boolean },
): void {
  if (json) {
    const all = {
      ...plan,
      notes,
      ...(reports.length === 0 ? {} : { blocks: reports }),
      ...(formats === undefined ? {} : { formats }),
      ...(quantization === undefined ? {} : { quantization: quantization.plan }),
    };
    console.log(JSON.stringify(all, null, 2));
    return;
  }
  for (const note of notes) console.log(`note: ${note}`);
  console.log(sizeTable(plan));
  if (reports.length > 0) console.log(`\n${blockErrors(reports)}`);
  if (quantization === undefined) return;
  const errors = planOnly
    ? ""
    : `\n\n${errorReport(quantization.quantization.errors(), quantization.description)}`;
  if (formats !== undefined) console.log(`\n${chosenFormats(formats)}`);
  console.log(`\nof what stays:\n${quantizationSummary(quantization.plan)}${errors}`);
}

function sizeTable({ before, after, sparsity }: Pick<PruningPlan, "before" | "after" | "sparsity">): string {
  const row = (name: string, of: (size: ModelSize) => number, format = formatCount) => [
    name,
    format(of(before)),
    format(of(after)),
    of(before) === 0 ? "" : `${((100 * of(after)) / of(before)).toFixed(1)} %`,
  ];
  const table = formatTable(
    [
      { title: "" },
      { title: "before", align: "right" },
      { title: "after", align: "right" },
      { title: "", align: "right" },
    ],
    [
      row("parameters", (size) => size.parameters),
      row("bytes", (size) => size.bytes, formatBytes),
      row("layers", (size) => size.layers),
      row("neurons", (size) => size.neurons),
      row("heads", (size) => size.heads),
      row("key-value heads", (size) => size.kvHeads),
      row("FLOPs a token", (size) => size.flopsPerToken),
    ],
  );
  const [first] = sparsity;
  if (first === undefined) return table;
  return `${table}\n\n${100 * first.ratio} % of the weights of ${sparsity.flatMap(({ tensors }) => tensors).length} linears become zero; zeros take as much room as other numbers, so sizes stay`;
}

/** Errors of attention and MLP blocks over all layers, and of the residual stream behind the last layer. */
function blockErrors(reports: readonly BlockReport[]): string {
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rows = (["attention", "mlp"] as const).flatMap((kind) => {
    const fitted = reports.filter((report) => report.kind === kind && report.unfittedError !== undefined);
    if (fitted.length === 0) return [];
    const before = fitted.map(({ unfittedError = 0 }) => unfittedError);
    const after = fitted.map(({ streamError }) => streamError);
    const figures = [mean(before), mean(after), Math.max(...after)].map(percent);
    return [[kind === "mlp" ? "MLPs" : "attention", formatCount(fitted.length), ...figures]];
  });
  const table = formatTable(
    [
      { title: "squared error of the stream, held out, behind" },
      { title: "blocks", align: "right" },
      { title: "before the fit", align: "right" },
      { title: "after", align: "right" },
      { title: "worst", align: "right" },
    ],
    rows,
  );
  const stream = `residual stream behind the last layer, on data held out: ${percent(reports.at(-1)?.streamError ?? 0)} from the dense model's`;
  const loss = reports.find(({ kind }) => kind === "norm")?.loss;
  const parts = [...(rows.length === 0 ? [] : [table]), stream, ...(loss ? [finalNormSentence(loss)] : [])];
  return parts.join("\n");
}
