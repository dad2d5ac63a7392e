import { Option } from "@commander-js/extra-typings";
import {
  type BlockReport,
  budgetNamed,
  type ChosenFormats,
  defaultCandidates,
  defaultQuantizationMethod,
  formatCounts,
  type QuantizationBudget,
  quantizationMethodNames,
  quantizationMethods,
} from "@vlmopt/compress";
import type { ComponentName, ModelDescription, Role } from "@vlmopt/models";
import { type NamedSchemes, type QuantizationPlan, schemeNames, schemesNamed } from "@vlmopt/quant";
import { formatBytes, formatCount, parseNumber } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";

export function presetOption() {
  return new Option(
    "--preset <name>",
    "what weights alone decide: fast rounds to nearest as the format's own library does; best searches for the scales of least squared error of the weights, which below 4 bits helps and at 4 has done harm",
  )
    .choices(["fast", "best"] as const)
    .default("fast" as const);
}

/** A method that rounds by data. */
export function quantizationMethodOption<Flags extends string>(flags: Flags) {
  const about = quantizationMethods.map(({ name, summary }) => `${name} (${summary})`).join("; ");
  return new Option(flags, `how data round: ${about} (default: ${defaultQuantizationMethod})`).choices(
    quantizationMethodNames,
  );
}

/** Help of the mean of bits within which data choose each linear's scheme. */
export function bitsHelp(schemes: string): string {
  return `bits a weight in the mean of all linears that are quantized, scales and zero points counted: data choose each linear's scheme among those of ${schemes} (default: ${defaultCandidates})`;
}

/** Reads such a mean. */
export const parseBits = parseNumber(0.1, 32);

export interface RequestOptions {
  readonly schemes: string | undefined;
  readonly preset: "fast" | "best";
  readonly bits: number | undefined;
  readonly bytes: number | undefined;
}

/** Schemes by name, and the budget that chooses among them. An unknown name is bad usage. */
export function requestOf(
  { schemes, preset, bits, bytes }: RequestOptions,
  fail: (message: string) => never,
): NamedSchemes & {
  readonly budget?: QuantizationBudget;
  readonly made: Readonly<Record<string, string | number>>;
} {
  if (bits !== undefined && bytes !== undefined) fail("error: give either bits or a size");
  try {
    if (bits === undefined && bytes === undefined)
      return { ...schemesNamed(schemes ?? "", preset), made: { scheme: schemes ?? "", preset } };
    const name = schemes ?? defaultCandidates;
    return {
      ...budgetNamed(name, preset, bits === undefined ? { bytes } : { bits }),
      made: { scheme: name, preset, ...(bits === undefined ? { bytes: bytes ?? 0 } : { bits }) },
    };
  } catch (error) {
    return fail(`error: ${(error as Error).message}`);
  }
}

/** Prints the formats that a budget chose as a table. */
export function chosenFormats(formats: ChosenFormats): string {
  const [titles = [], ...rows] = formatCounts(formats);
  return formatTable(
    titles.map((title, i) => ({ title, ...(i === 0 ? {} : { align: "right" as const }) })),
    rows.map((row) => [...row]),
  );
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

/** Mean errors of the outputs of linears, rounded without data and with data. */
export function linearErrors(reports: readonly BlockReport[]): string {
  const linears = reports.flatMap((report) => report.linears ?? []);
  const percent = (error: number) => `${(100 * error).toFixed(3)} %`;
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  const stream = reports.at(-1)?.streamError ?? 0;
  return [
    `squared error of what a linear gives, in the mean: ${percent(mean(linears.map(({ error }) => error)))}, without data ${percent(mean(linears.map(({ nearest }) => nearest)))}`,
    `squared error of the residual stream behind the last layer, on data held out: ${percent(stream)}`,
  ].join("\n");
}

function roleName(component: ComponentName | undefined, role: Role | undefined): string {
  return component === "languageModel" ? (role ?? "other") : `${component ?? "other"} ${role ?? ""}`.trim();
}
