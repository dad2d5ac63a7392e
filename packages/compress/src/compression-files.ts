import type { PruningPlan } from "@vlmopt/pruning";
import { quantizationCard, quantizationSection } from "@vlmopt/quant";
import { type ChosenFormats, formatTable } from "./budget/quantization-budget.ts";
import type { BlockReport, Calibration } from "./calibration.ts";
import type { Compression } from "./compression.ts";
import { compressionCard, compressionRecord, linearTable } from "./compression-card.ts";
import type { QuantizationAfter } from "./write-compressed.ts";

/** Files that an output has beside its weights: plans, records, the model card. */
export function filesOf(
  {
    plan,
    reports,
    after,
    formats,
  }: {
    readonly plan: PruningPlan;
    readonly reports: readonly BlockReport[];
    readonly after: QuantizationAfter | undefined;
    readonly formats?: ChosenFormats | undefined;
  },
  baseModel: string,
  data?: { readonly spec: Compression; readonly about: Calibration["about"] },
): Record<string, string> {
  const text = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  const prunes = plan.cuts.length + plan.drop.length + plan.sparsity.length > 0;
  if (after !== undefined && !prunes) {
    return {
      "quantization.json": text(after.plan),
      ...(data === undefined
        ? {}
        : { "compression.json": text(compressionRecord(data.spec, data.about, reports, formats)) }),
      "README.md":
        quantizationCard(after.plan, baseModel) + formatTable(formats) + linearTable(reports, data?.about),
    };
  }
  return {
    "pruning.json": text(plan),
    ...(after === undefined ? {} : { "quantization.json": text(after.plan) }),
    ...(data === undefined
      ? {}
      : { "compression.json": text(compressionRecord(data.spec, data.about, reports, formats)) }),
    "README.md":
      compressionCard({ plan, reports, about: data?.about, baseModel }) +
      (after === undefined
        ? ""
        : quantizationSection(after.plan) + formatTable(formats) + linearTable(reports)),
  };
}
