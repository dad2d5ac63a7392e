import type { Role, Weight } from "@vlmopt/models";
import { PruningError, type PruningModel, type PruningPlan, pruningTransform } from "@vlmopt/pruning";
import {
  formatNamed,
  overrideOf,
  planQuantization,
  type QuantizationRequest,
  type Scheme,
  type SchemeOverride,
  schemeOfLinear,
} from "@vlmopt/quant";
import { byteLengthOf, type Checkpoint, elementCount, type TensorSpec } from "@vlmopt/tensor-io";
import { requestAfter } from "../renumbered-overrides.ts";
import { modelAfter } from "../write-compressed.ts";
import { leastLoss } from "./knapsack.ts";
import type { MeasuredLinears } from "./measure-formats.ts";
import type { ChosenFormats, QuantizationBudget } from "./quantization-budget.ts";

export interface FormatChoice {
  /** What was chosen, by the numbers that layers have in the dense model; overrides that were asked for come last. */
  readonly overrides: readonly SchemeOverride[];
  readonly chosen: ChosenFormats;
}

/** Of a file beside its tensors and what is said of them: lengths, metadata, and blanks that fill it up; some for further shards. */
const fileBytes = (bytes: number) => 72 + 128 * Math.floor(bytes / 1e9);

/**
 * The candidates as they fit the linears of which a budget chooses; undefined for those that are stored as somebody said, or stay as they are.
 * @param shapes of weights, where they are not as the source has them
 */
export function candidatesOf(
  weights: readonly Weight[],
  tensors: ReadonlyMap<string, TensorSpec>,
  request: QuantizationRequest,
  { candidates }: QuantizationBudget,
): (name: string) => readonly (Scheme | undefined)[] | undefined {
  const found = new Map<string, readonly (Scheme | undefined)[]>();
  for (const weight of weights) {
    const tensor = tensors.get(weight.name);
    if (tensor === undefined || overrideOf(weight, request.overrides ?? []) !== undefined) continue;
    const fitting = candidates.map(({ scheme }) => {
      const decision = schemeOfLinear({ ...weight, shape: tensor.shape }, tensor, { ...request, scheme });
      return typeof decision === "string" ? undefined : decision;
    });
    if (fitting.some((scheme) => scheme !== undefined)) found.set(weight.name, fitting);
  }
  return (name) => found.get(name);
}

/**
 * Chooses what each linear is stored as: the least sum of losses within the budget. Sizes are those that pruning leaves.
 * @param plan any of the sizes that the pruned model will have
 * @throws {PruningError} where no choice is within the budget, with the least that is
 */
export async function chooseFormats(
  source: Checkpoint,
  { description, layers }: PruningModel,
  plan: PruningPlan,
  request: QuantizationRequest,
  budget: QuantizationBudget,
  measured: readonly MeasuredLinears[],
): Promise<FormatChoice> {
  const weights = new Map(description?.weights.map((weight) => [weight.name, weight]));
  const after = await modelAfter(source, pruningTransform(plan), plan.config);
  const rest = requestAfter(request, layers, plan);
  const schemesOf = candidatesOf(after.description.weights, after.tensors, rest, budget);
  const nameAfter = (name: string) =>
    Object.hasOwn(plan.rename, name) ? (plan.rename[name] as string) : name;
  const outputsOf = (name: string, scheme: Scheme) =>
    formatNamed(scheme.format, request.formats).outputs(after.tensors.get(name) as TensorSpec, scheme);
  const bits = budget.bits;
  const sizeOf = (specs: readonly TensorSpec[]) =>
    specs.reduce((sum, spec) => sum + bytesOf(spec, bits === undefined ? budget.bytes : undefined), 0);

  const items = measured
    .map(({ tensors, losses }) => {
      const names = tensors.map(nameAfter);
      const choices = budget.candidates.flatMap((_, candidate) => {
        const schemes = names.map((name) => schemesOf(name)?.[candidate]);
        const loss = losses[candidate];
        if (loss === undefined || schemes.some((scheme) => scheme === undefined)) return [];
        const outputs = names.flatMap((name, i) => outputsOf(name, schemes[i] as Scheme));
        return [{ candidate, loss, cost: sizeOf(outputs) }];
      });
      return { tensors, names, losses, choices };
    })
    .filter(({ choices }) => choices.length > 0);

  const chosenFrom = new Set(items.flatMap(({ names }) => names));
  const fixed = planQuantization(after.description, after.tensors, rest).groups.flatMap(
    ({ scheme, tensors }) =>
      tensors
        .filter((name) => !chosenFrom.has(name))
        .map((name) => ({ name, outputs: outputsOf(name, scheme) })),
  );
  const weightsIn = (names: readonly string[]) =>
    names.reduce((sum, name) => sum + elementCount((after.tensors.get(name) as TensorSpec).shape), 0);
  const fixedBytes = sizeOf(fixed.flatMap(({ outputs }) => outputs));
  const count = weightsIn([...chosenFrom, ...fixed.map(({ name }) => name)]);
  const isStored = new Set([...chosenFrom, ...fixed.map(({ name }) => name)]);
  const plain =
    bits === undefined
      ? sizeOf([...after.tensors.values()].filter(({ name }) => !isStored.has(name))) +
        fileBytes(budget.bytes ?? 0)
      : 0;
  const all = bits === undefined ? (budget.bytes as number) : (bits * count) / 8;
  const taken = leastLoss(
    items.map(({ choices }) => choices),
    all - fixedBytes - plain,
  );
  if (taken === undefined) {
    const least = items.reduce(
      (sum, { choices }) => sum + Math.min(...choices.map(({ cost }) => cost)),
      fixedBytes + plain,
    );
    throw tooSmall(budget, bits === undefined ? least : (8 * least) / count);
  }
  const overrides = new Map<string, { scheme: Scheme; role: Role; layers: number[] }>();
  const chosen = items.map(({ tensors, losses, choices }, i) => {
    const { candidate } = choices[taken[i] as number] as (typeof choices)[number];
    const { name, scheme } = budget.candidates[candidate] as QuantizationBudget["candidates"][number];
    for (const tensor of tensors) {
      const { role, layer = 0 } = weights.get(tensor) as Weight;
      const key = `${candidate} ${role}`;
      const override = overrides.get(key) ?? { scheme, role, layers: [] };
      override.layers.push(layer);
      overrides.set(key, override);
    }
    return {
      tensors,
      scheme: name,
      losses: Object.fromEntries(
        losses.flatMap((loss, c) =>
          loss === undefined ? [] : [[budget.candidates[c]?.name, loss] as const],
        ),
      ),
    };
  });
  return {
    overrides: [
      ...[...overrides.values()].map(({ scheme, role, layers: numbers }) => ({
        scheme,
        roles: [role],
        layers: numbers,
      })),
      ...(request.overrides ?? []),
    ],
    chosen: {
      budget: budget.bits === undefined ? { bytes: budget.bytes } : { bits: budget.bits },
      linears: chosen,
    },
  };
}

/** Said in the budget's own unit. */
export function tooSmall({ bits, bytes }: QuantizationBudget, least: number): PruningError {
  return new PruningError(
    bits === undefined
      ? `the model does not fit into ${bytes} bytes: the least that the candidates allow is ${Math.ceil(least)}`
      : `linears of ${bits} bits a weight are not among the candidates: the least that they allow, scales included, is ${(Math.ceil(1000 * least) / 1000).toFixed(3)}`,
    "allow more, or candidates of fewer bits",
  );
}

/**
 * With what the header of a file of at most so many bytes says of it, where they are given: its name, dtype, shape, and where it begins and
 * ends.
 */
function bytesOf({ name, dtype, shape }: TensorSpec, most: number | undefined): number {
  const bytes = byteLengthOf(dtype, shape);
  if (most === undefined) return bytes;
  const offsets = [most, most];
  // As `"name":{…},`: the braces around make up for the comma.
  return bytes + JSON.stringify({ [name]: { dtype, shape, data_offsets: offsets } }).length - 1;
}
