import { Option } from "@commander-js/extra-typings";
import type { ComponentName, ModelDescription, Role } from "@vlmopt/models";
import { type QuantizationPlan, schemeNames } from "@vlmopt/quant";
import { formatBytes, formatCount } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";

export function presetOption() {
  return new Option(
    "--preset <name>",
    "fast: as the format's own library; best: scales of least squared error",
  )
    .choices(["fast", "best"] as const)
    .default("best" as const);
}

export const schemeList = `of ${schemeNames.join(", ")}`;

/** Sizes before and after, and what stays. */
export function quantizationSummary({ before, after, groups, kept }: QuantizationPlan): string {
  const count = groups.reduce((sum, { tensors }) => sum + tensors.length, 0);
  const table = formatTable(
    [{ title: "" }, { title: "before", align: "right" }, { title: "after", align: "right" }],
    [
      ["bytes", formatBytes(before.bytes), formatBytes(after.bytes)],
      [
        `bits a weight of ${formatCount(count)} linears`,
        before.bitsPerWeight.toFixed(2),
        after.bitsPerWeight.toFixed(2),
      ],
    ],
  );
  const stays = kept.map(({ reason, tensors }) => `${tensors.length} kept: ${reason}`);
  return [table, ...stays].join("\n");
}

/** Errors of each role's weights, and the weights that lose most. */
export function errorReport(errors: ReadonlyMap<string, number>, description: ModelDescription): string {
  const places = new Map(description.weights.map((weight) => [weight.name, weight]));
  const byRole = new Map<string, number[]>();
  for (const [name, error] of errors) {
    const place = places.get(name);
    const key = roleName(place?.component, place?.role);
    byRole.set(key, [...(byRole.get(key) ?? []), error]);
  }
  const percent = (error: number) => `${(100 * error).toFixed(3)} %`;
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const roles = formatTable(
    [
      { title: "squared error of" },
      { title: "linears", align: "right" },
      { title: "mean", align: "right" },
      { title: "worst", align: "right" },
    ],
    [...byRole].map(([role, values]) => [
      role,
      formatCount(values.length),
      percent(mean(values)),
      percent(Math.max(...values)),
    ]),
  );
  const worst = [...errors].sort(([, a], [, b]) => b - a).slice(0, 3);
  return [roles, "", ...worst.map(([name, error]) => `worst: ${name} ${percent(error)}`)].join("\n");
}

function roleName(component: ComponentName | undefined, role: Role | undefined): string {
  return component === "languageModel" ? (role ?? "other") : `${component ?? "other"} ${role ?? ""}`.trim();
}
