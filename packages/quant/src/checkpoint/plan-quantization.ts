import type { ComponentName, ModelDescription, Role, Weight } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import { byteLengthOf, elementCount, type TensorSpec } from "@vlmopt/tensor-io";
import { quantizationConfig } from "../formats/config.ts";
import type { Format } from "../formats/format.ts";
import { formatNamed, formats } from "../formats/formats.ts";
import type { Scheme } from "../formats/scheme.ts";
import type { FloatDtype } from "../weights.ts";
import { requestRules } from "./option-rules.ts";
import { QuantizationError } from "./quantization-error.ts";
import type { KeptGroup, QuantizationPlan, QuantizedSize, SchemeGroup } from "./quantization-plan.ts";

export interface QuantizationRequest {
  readonly scheme: Scheme;
  /** Components whose linears are quantized; the language model alone unless told. */
  readonly components?: readonly ComponentName[];
  /** Roles of the linears that are quantized; those of the layers and projectors unless told, so not the output layer. */
  readonly roles?: readonly Role[];
  /** Tensors that stay as they are all the same: names in which `*` stands for anything. */
  readonly skip?: readonly string[];
  /** Group sizes for rows that the scheme's does not divide, in order of preference; 64 and 32 unless told. */
  readonly otherGroupSizes?: readonly number[];
  /** `[...formats, yours]`, where the scheme has another than vlmopt's. */
  readonly formats?: readonly Format[];
  /** Kept in the plan, to tell how it was made. */
  readonly made?: Readonly<Record<string, string | number | boolean>>;
}

const layerRoles: readonly Role[] = [
  "qProj",
  "kProj",
  "vProj",
  "qkvProj",
  "oProj",
  "gateProj",
  "upProj",
  "downProj",
  "fc1",
  "fc2",
  "projector",
];
/** Roles of matrices that no loader quantizes. */
const notLinear: ReadonlySet<Role> = new Set(["embedding", "positionEmbedding", "patchEmbedding", "norm"]);

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
  const linears = description.weights.filter(
    ({ name, role, shape }) => !notLinear.has(role) && shape.length === 2 && tensors.has(name),
  );
  const groups = new Map<string, { scheme: Scheme; tensors: string[] }>();
  const kept = new Map<string, string[]>();
  const quantized: Weight[] = [];
  for (const linear of linears) {
    const decision = decide(linear, tensors.get(linear.name) as TensorSpec, request);
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
  // The scheme that was asked for comes first, as the one that the configuration needs no names for.
  const sorted: SchemeGroup[] = [...groups.values()].sort((a, b) => b.tensors.length - a.tensors.length);
  const keptGroups: KeptGroup[] = [...kept].map(([reason, names]) => ({ reason, tensors: names }));
  const isQuantized = new Set(quantized);
  const dtype = tensors.get(quantized[0]?.name ?? "")?.dtype as FloatDtype;
  const { formats: among = formats } = request;
  const sharing = new Set(
    sorted.flatMap(({ scheme, tensors: names }) =>
      formatNamed(scheme.format, among).sharesScales ? names : [],
    ),
  );
  const sorting = { quantized, kept: linears.filter((linear) => !isQuantized.has(linear)) };
  return {
    version: 1,
    made: request.made ?? {},
    groups: sorted,
    kept: keptGroups,
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

/** The scheme of one linear, or why it stays. */
function decide(linear: Weight, tensor: TensorSpec, request: QuantizationRequest): Scheme | string {
  const { components = ["languageModel"], roles = layerRoles, skip = [] } = request;
  if (!components.includes(linear.component)) return `${componentNames[linear.component]} stays as it is`;
  if (!roles.includes(linear.role)) return `the ${linear.role} stays as it is`;
  if (skip.some((pattern) => matches(linear.name, pattern))) return "they were named to be skipped";
  if (!["F32", "F16", "BF16"].includes(tensor.dtype)) return `they are ${tensor.dtype} already`;
  const { scheme, otherGroupSizes = [64, 32] } = request;
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
