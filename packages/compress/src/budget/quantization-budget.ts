import { checkOptions, finite, listOf, object, type Rules, whole } from "@vlmopt/options";
import { PruningError } from "@vlmopt/pruning";
import { candidatesNamed, type NamedSchemes, type Preset, type Scheme } from "@vlmopt/quant";

/** How much weights may take together; what each linear is stored as is chosen within it, by what it costs on data. */
export interface QuantizationBudget {
  /** Of a weight, with its share of scales, zero points and shapes, in the mean of all linears that are quantized. */
  readonly bits?: number | undefined;
  /** Of all the model's safetensors files. */
  readonly bytes?: number | undefined;
  /** What a linear may be stored as; linears that read one input are stored in one way, since vLLM joins them. */
  readonly candidates: readonly NamedScheme[];
}

export interface NamedScheme {
  readonly name: string;
  readonly scheme: Scheme;
}

/** What is chosen from unless told. */
export const defaultCandidates = "int2-g64-zero,int3-g64-zero,int4-g64-zero,int8";

/**
 * A budget with its candidates by name, apart by commas, and linears that are stored otherwise: `int2-g64,int3-g64,int4-g64+vision=int8`. Linears
 * that no data reach are stored as the last candidate.
 * @throws {RangeError} for names that nothing has
 */
export function budgetNamed(
  names: string,
  preset: Preset,
  target: Pick<QuantizationBudget, "bits" | "bytes">,
): NamedSchemes & { readonly budget: QuantizationBudget } {
  const { candidates, overrides } = candidatesNamed(names, preset);
  const { scheme } = candidates.at(-1) as NamedScheme;
  return { scheme, overrides, budget: { ...target, candidates } };
}

const budgetRules: Rules<QuantizationBudget> = {
  bits: finite({ above: 0 }),
  bytes: whole(),
  candidates: listOf(object, { least: 1 }),
};

/** @throws {OptionError | PruningError} where it is none */
export function checkBudget(budget: QuantizationBudget): void {
  checkOptions("a budget", budget, budgetRules, ["candidates"]);
  if ((budget.bits === undefined) === (budget.bytes === undefined))
    throw new PruningError("a budget says either bits or bytes");
}

/** What a budget chose. */
export interface ChosenFormats {
  readonly budget: Pick<QuantizationBudget, "bits" | "bytes">;
  /** Of linears that share an input, by the layers they are in. */
  readonly linears: readonly ChosenLinears[];
}

export interface ChosenLinears {
  /** Names in the dense model. */
  readonly tensors: readonly string[];
  /** Of the candidate. */
  readonly scheme: string;
  /**
   * By the name of each candidate that fits: what rounding these linears alone does to the residual stream behind their block,
   * ‖change‖² / ‖stream‖² of a token, in the mean.
   */
  readonly losses: Readonly<Record<string, number>>;
}

/** How many linears of which place got which format, as lines of cells below a line of titles. */
export function formatCounts({ linears }: ChosenFormats): readonly (readonly string[])[] {
  const schemes = [...new Set(linears.flatMap(({ losses }) => Object.keys(losses)))];
  const counts = new Map<string, Map<string, number>>();
  for (const { tensors, scheme } of linears) {
    const place = tensors.map((name) => name.split(".").at(-2) ?? name).join(", ");
    const row = counts.get(place) ?? new Map<string, number>();
    counts.set(place, row.set(scheme, (row.get(scheme) ?? 0) + tensors.length));
  }
  const rows = [...counts].map(([place, row]) => [
    place,
    ...schemes.map((name) => String(row.get(name) ?? 0)),
  ]);
  return [["linears", ...schemes], ...rows];
}

/** The part of a card that tells what a budget chose. */
export function formatTable(formats: ChosenFormats | undefined): string {
  if (formats === undefined) return "";
  const { bits, bytes } = formats.budget;
  const [titles = [], ...rows] = formatCounts(formats);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return `
Each linear's format was chosen by what rounding it does to the residual stream on the data, within ${bits === undefined ? `${bytes?.toLocaleString("en-US")} bytes` : `${bits} bits a weight`}.

${[line(titles), line(titles.map((_, i) => (i === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n")}
`;
}
