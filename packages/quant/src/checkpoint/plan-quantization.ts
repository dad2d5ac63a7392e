import type { ComponentName, ModelDescription, Role, Weight } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import { byteLengthOf, elementCount, type TensorSpec } from "@vlmopt/tensor-io";
import { quantizationConfig } from "../formats/config.ts";
import type { Format } from "../formats/format.ts";
import { formatNamed, formats } from "../formats/formats.ts";
import type { Scheme } from "../formats/scheme.ts";
import type { FloatDtype } from "../weights.ts";
import { overrideRules, requestRules } from "./option-rules.ts";
import { QuantizationError } from "./quantization-error.ts";
import type { KeptGroup, QuantizationPlan, QuantizedSize, SchemeGroup } from "./quantization-plan.ts";
import { layerRoles, overrideOf, type SchemeOverride } from "./scheme-overrides.ts";

export interface QuantizationRequest {
  readonly scheme: Scheme;
  /** Components whose linears are quantized; the language model alone unless told. */
  readonly components?: readonly ComponentName[];
  /** Roles of the linears that are quantized; those of layers and projectors unless told, so neither `lmHead` nor `embedding`. */
  readonly roles?: readonly Role[];
  /** Linears that are stored otherwise; of several that take one, the last decides. */
  readonly overrides?: readonly SchemeOverride[];
  /** Tensors that stay as they are all the same: names in which `*` stands for anything. */
  readonly skip?: readonly string[];
  /** Group sizes for rows that the scheme's does not divide, in order of preference; 64 and 32 unless told. */
  readonly otherGroupSizes?: readonly number[];
  /** `[...formats, yours]`, where the scheme has another than vlmopt's. */
  readonly formats?: readonly Format[];
  /** Kept in the plan, to tell how it was made. */
  readonly made?: Readonly<Record<string, string | number | boolean>>;
}

/** Roles of matrices that are not multiplied. Tables of tokens are taken where they are named. */
const notLinear: ReadonlySet<Role> = new Set(["positionEmbedding", "patchEmbedding", "norm"]);

const componentNames: Readonly<Record<ComponentName, string>> = {
  visionTower: "the vision tower",
  projector: "the projector",
  qFormer: "the Q-Former",
  languageModel: "the language model",
};

/**
 * Decides what becomes of each weight, from names and shapes alone; reads nothing.
 * @throws {QuantizationError} where nothing would be quantized
 */
export function planQuantization(
  description: ModelDescription,
  tensors: ReadonlyMap<string, TensorSpec>,
  request: QuantizationRequest,
): QuantizationPlan {
  checkOptions("planQuantization", request, requestRules, ["scheme"]);
  for (const override of request.overrides ?? [])
    checkOptions("planQuantization's overrides", override, overrideRules, ["scheme"]);
  const { roles = [], overrides = [] } = request;
  const isTaken = (weight: Weight) =>
    weight.role !== "embedding" || roles.includes("embedding") || overrideOf(weight, overrides) !== undefined;
  const linears = description.weights.filter(
    (weight) =>
      !notLinear.has(weight.role) && weight.shape.length === 2 && tensors.has(weight.name) && isTaken(weight),
  );
  const groups = new Map<string, { scheme: Scheme; tensors: string[] }>();
  const kept = new Map<string, string[]>();
  const quantized: Weight[] = [];
  for (const linear of linears) {
    const decision = schemeOfLinear(linear, tensors.get(linear.name) as TensorSpec, request);
    if (typeof decision === "string") {
      kept.set(decision, [...(kept.get(decision) ?? []), linear.name]);
      continue;
    }
    quantized.push(linear);
    const key = JSON.stringify(decision);
    const group = groups.get(key) ?? { scheme: decision, tensors: [] };
    group.tensors.push(linear.name);
    groups.set(key, group);
  }
  if (quantized.length === 0) {
    const reasons = [...kept].map(([reason, names]) => `${names.length} because ${reason}`).join(", ");
    throw new QuantizationError(`none of ${linears.length} linears would be quantized: ${reasons}`);
  }
  // The scheme that was asked for comes first, as the one that the configuration needs no names for; where it fits nothing, the commonest.
  const asked = groups.get(JSON.stringify(request.scheme));
  const sorted: SchemeGroup[] = [...groups.values()].sort(
    (a, b) => Number(b === asked) - Number(a === asked) || b.tensors.length - a.tensors.length,
  );
  const keptGroups: KeptGroup[] = [...kept].map(([reason, names]) => ({ reason, tensors: names }));
  const isQuantized = new Set(quantized);
  const dtype = tensors.get(quantized[0]?.name ?? "")?.dtype as FloatDtype;
  const { formats: among = formats } = request;
  const sharing = new Set(
    sorted.flatMap(({ scheme, tensors: names }) =>
      formatNamed(scheme.format, among).sharesScales ? names : [],
    ),
  );
  const sorting = {
    quantized,
    kept: linears.filter((linear) => !isQuantized.has(linear) && linear.role !== "embedding"),
  };
  return {
    version: 1,
    made: request.made ?? {},
    groups: sorted,
    kept: keptGroups,
    notes: [...sizeNotes(sorted, request), ...divisionNotes(sorted, joinedLinears(quantized))],
    joined: joinedLinears(quantized.filter(({ name }) => sharing.has(name))),
    config: [{ path: ["quantization_config"], value: quantizationConfig(sorted, sorting, dtype, among) }],
    ...sizesOf(tensors, sorted, among),
  };
}

/** Which linears executors such as vLLM run as one: those that read the same input. */
const joinedRoles: Partial<Record<Role, string>> = {
  qProj: "q, k and v",
  kProj: "q, k and v",
  vProj: "q, k and v",
  gateProj: "gate and up",
  upProj: "gate and up",
};

function joinedLinears(linears: readonly Weight[]): string[][] {
  const sets = new Map<string, string[]>();
  for (const { name, role, component, layer } of linears) {
    const joined = joinedRoles[role];
    if (joined === undefined) continue;
    const key = `${component} ${layer} ${joined}`;
    sets.set(key, [...(sets.get(key) ?? []), name]);
  }
  return [...sets.values()].filter((names) => names.length > 1);
}

/** A sentence for each group size that had to be another than a scheme's, since that does not divide rows. */
function sizeNotes(
  groups: readonly SchemeGroup[],
  { scheme, overrides = [], made = {} }: QuantizationRequest,
): string[] {
  const wanted = [scheme, ...overrides.map((override) => override.scheme)];
  return groups.flatMap(({ scheme: found, tensors }) => {
    if (wanted.some(({ groupSize }) => groupSize === found.groupSize)) return [];
    const asked = wanted.find(({ format, bits }) => format === found.format && bits === found.bits) ?? scheme;
    return [
      `${made.scheme ?? "the scheme"} becomes groups of ${found.groupSize} in ${tensors.length} linears: groups of ${asked.groupSize} do not divide their rows`,
    ];
  });
}

/** vLLM and its kin run some linears as one, and refuse to load different schemes of them. */
function divisionNotes(groups: readonly SchemeGroup[], joined: readonly (readonly string[])[]): string[] {
  const groupOf = new Map(groups.flatMap(({ tensors }, i) => tensors.map((name) => [name, i] as const)));
  const divided = joined.filter((names) => new Set(names.map((name) => groupOf.get(name))).size > 1);
  return divided.length === 0
    ? []
    : [
        `${divided[0]?.join(", ")}${divided.length === 1 ? "" : ` and the like, ${divided.length} sets,`} are stored in different ways: transformers loads that, vLLM, which joins them, does not`,
      ];
}

/** The scheme of one linear, or why it stays. */
export function schemeOfLinear(
  linear: Weight,
  tensor: TensorSpec,
  request: QuantizationRequest,
): Scheme | string {
  const { components = ["languageModel"], roles = layerRoles, skip = [], overrides = [] } = request;
  const override = overrideOf(linear, overrides);
  if (override === undefined && !components.includes(linear.component))
    return `${componentNames[linear.component]} stays as it is`;
  if (override === undefined && !roles.includes(linear.role)) return `the ${linear.role} stays as it is`;
  if (skip.some((pattern) => matches(linear.name, pattern))) return "they were named to be skipped";
  if (!["F32", "F16", "BF16"].includes(tensor.dtype)) return `they are ${tensor.dtype} already`;
  const { otherGroupSizes = [64, 32] } = request;
  const { scheme } = override ?? request;
  const [rows, columns] = linear.shape as [number, number];
  return formatNamed(scheme.format, request.formats).fit(scheme, [rows, columns], otherGroupSizes);
}

function matches(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

function sizesOf(
  tensors: ReadonlyMap<string, TensorSpec>,
  groups: readonly SchemeGroup[],
  among: readonly Format[],
): { before: QuantizedSize; after: QuantizedSize } {
  const total = (specs: Iterable<TensorSpec>) => {
    let bytes = 0;
    for (const { dtype, shape } of specs) bytes += byteLengthOf(dtype, shape);
    return bytes;
  };
  const chosen = groups.flatMap(({ tensors: names }) => names.map((name) => tensors.get(name) as TensorSpec));
  const replaced = groups.flatMap(({ scheme, tensors: names }) =>
    names.flatMap((name) =>
      formatNamed(scheme.format, among).outputs(tensors.get(name) as TensorSpec, scheme),
    ),
  );
  const weights = chosen.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const all = total(tensors.values());
  const [before, after] = [total(chosen), total(replaced)];
  return {
    before: { bytes: all, bitsPerWeight: (8 * before) / weights },
    after: { bytes: all - before + after, bitsPerWeight: (8 * after) / weights },
  };
}
