import type { ComponentName, ModelDescription, Role, Weight } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import { byteLengthOf, elementCount, type TensorSpec } from "@vlmopt/tensor-io";
import type { FloatDtype } from "../weights.ts";
import { e2m1GroupSize } from "./e2m1-packed.ts";
import { requestRules } from "./option-rules.ts";
import { quantizationConfig } from "./quantization-config.ts";
import { QuantizationError } from "./quantization-error.ts";
import type { KeptGroup, QuantizationPlan, QuantizedSize, SchemeGroup } from "./quantization-plan.ts";
import { outputsOf } from "./quantize-stage.ts";
import type { Scheme } from "./scheme.ts";
import { groupSizeOf } from "./weight-tensors.ts";

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
  const sorting = { quantized, kept: linears.filter((linear) => !isQuantized.has(linear)) };
  return {
    version: 1,
    made: request.made ?? {},
    groups: sorted,
    kept: keptGroups,
    joined: request.scheme.format === "nvfp4-pack-quantized" ? joinedLinears(quantized) : [],
    config: [{ path: ["quantization_config"], value: quantizationConfig(sorted, sorting, dtype) }],
    ...sizesOf(tensors, sorted),
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
  return fitting(request.scheme, linear.shape, request.otherGroupSizes ?? [64, 32]);
}

/** The scheme with a group size that divides the rows of a matrix, or why there is none. */
function fitting(scheme: Scheme, shape: readonly number[], otherSizes: readonly number[]): Scheme | string {
  const [rows, columns] = shape as [number, number];
  if (scheme.format === "bitsandbytes") return scheme;
  if (scheme.format === "gptq" || scheme.format === "awq") {
    if (rows % 8 !== 0 || columns % 8 !== 0)
      return `matrices of ${rows} × ${columns} weights do not fill words of eight`;
    // Their configurations have one group size for the whole model.
    return fittingSize(scheme, columns, []);
  }
  if (scheme.format === "nvfp4-pack-quantized" || scheme.format === "mxfp4-pack-quantized") {
    const size = e2m1GroupSize(scheme);
    return columns % size === 0 ? scheme : `groups of ${size} do not divide rows of ${columns} weights`;
  }
  if (scheme.format === "pack-quantized" && columns % 8 !== 0) {
    return `rows of ${columns} weights do not fill words of eight`;
  }
  return fittingSize(scheme, columns, otherSizes);
}

function fittingSize<S extends Scheme & { readonly groupSize: number | "row" }>(
  scheme: S,
  columns: number,
  otherSizes: readonly number[],
): S | string {
  const sizes = scheme.groupSize === "row" ? ["row" as const] : [scheme.groupSize, ...otherSizes];
  const size = sizes.find((groupSize) => columns % groupSizeOf({ groupSize }, columns) === 0);
  if (size !== undefined) return { ...scheme, groupSize: size };
  return `groups of ${sizes.join(", ")} do not divide rows of ${columns} weights`;
}

function matches(name: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}

function sizesOf(
  tensors: ReadonlyMap<string, TensorSpec>,
  groups: readonly SchemeGroup[],
): { before: QuantizedSize; after: QuantizedSize } {
  const total = (specs: Iterable<TensorSpec>) => {
    let bytes = 0;
    for (const { dtype, shape } of specs) bytes += byteLengthOf(dtype, shape);
    return bytes;
  };
  const chosen = groups.flatMap(({ tensors: names }) => names.map((name) => tensors.get(name) as TensorSpec));
  const replaced = groups.flatMap(({ scheme, tensors: names }) =>
    names.flatMap((name) => outputsOf(tensors.get(name) as TensorSpec, scheme)),
  );
  const weights = chosen.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const all = total(tensors.values());
  const [before, after] = [total(chosen), total(replaced)];
  return {
    before: { bytes: all, bitsPerWeight: (8 * before) / weights },
    after: { bytes: all - before + after, bitsPerWeight: (8 * after) / weights },
  };
}
