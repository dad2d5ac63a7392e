import { weightCounts } from "@vlmopt/quant";
import type { Checkpoint, TensorInfo } from "@vlmopt/tensor-io";

/** Tensors counted together. */
export interface Group {
  readonly name: string;
  readonly tensors: number;
  readonly parameters: number;
  readonly bytes: number;
}

/** Tensors that differ only in the numbers of their names, `layers.{0-31}.mlp.gate_proj.weight`. */
export interface TensorPattern {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes of one of them. */
  readonly byteLength: number;
  readonly count: number;
}

export interface CheckpointSummary {
  readonly location: string;
  readonly modelType: string | undefined;
  readonly files: readonly { readonly name: string; readonly size: number }[];
  readonly tensors: number;
  /** Weights, each counted once however few bits it takes. */
  readonly parameters: number;
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly components: readonly Group[];
  readonly dtypes: readonly Group[];
  readonly patterns: readonly TensorPattern[];
}

export async function summarize(checkpoint: Checkpoint): Promise<CheckpointSummary> {
  const tensors = [...checkpoint.tensors.values()];
  const counts = await weightCounts(checkpoint);
  const groupsBy = (key: (tensor: TensorInfo) => string) => groupBy(tensors, counts, key);
  const { parameters = 0, bytes = 0 } = groupsBy(() => "all")[0] ?? {};
  return {
    location: checkpoint.location,
    modelType: await modelTypeOf(checkpoint),
    files: [...checkpoint.sources.values()].map(({ name, size }) => ({ name, size })),
    tensors: tensors.length,
    parameters,
    bytes,
    bitsPerWeight: parameters === 0 ? 0 : (8 * bytes) / parameters,
    components: groupsBy(componentOf),
    dtypes: groupsBy(({ dtype }) => dtype),
    patterns: patternsOf(tensors),
  };
}

async function modelTypeOf(checkpoint: Checkpoint): Promise<string | undefined> {
  const bytes = await checkpoint.readSibling("config.json");
  if (bytes === undefined) return undefined;
  try {
    const { model_type: type } = JSON.parse(new TextDecoder().decode(bytes)) as { model_type?: unknown };
    return typeof type === "string" ? type : undefined;
  } catch {
    return undefined;
  }
}

/** The first part of the name that tells something: `model.vision_tower.…` and `vision_tower.…` are one component. */
function componentOf({ name }: TensorInfo): string {
  const [first = name, second] = name.split(".");
  return first === "model" && second !== undefined ? second : first;
}

function groupBy(
  tensors: readonly TensorInfo[],
  counts: ReadonlyMap<string, number>,
  key: (tensor: TensorInfo) => string,
): Group[] {
  const groups = new Map<string, Group>();
  for (const tensor of tensors) {
    const name = key(tensor);
    const { tensors = 0, parameters = 0, bytes = 0 } = groups.get(name) ?? {};
    groups.set(name, {
      name,
      tensors: tensors + 1,
      parameters: parameters + (counts.get(tensor.name) ?? 0),
      bytes: bytes + tensor.byteLength,
    });
  }
  return [...groups.values()].sort((a, b) => b.bytes - a.bytes);
}

function patternsOf(tensors: readonly TensorInfo[]): TensorPattern[] {
  const patterns = new Map<string, TensorInfo[]>();
  for (const tensor of tensors) {
    const key = `${tensor.name.replaceAll(/(?<=\.|^)\d+(?=\.|$)/g, "#")} ${tensor.dtype} ${tensor.shape}`;
    const alike = patterns.get(key);
    if (alike === undefined) patterns.set(key, [tensor]);
    else alike.push(tensor);
  }
  return [...patterns.values()].map((alike) => {
    const { dtype, shape, byteLength } = alike[0] as TensorInfo;
    return { name: commonName(alike.map(({ name }) => name)), dtype, shape, byteLength, count: alike.length };
  });
}

/** Names that differ in numbers alone as one, each number as its range. */
function commonName(names: readonly string[]): string {
  const parts = names.map((name) => name.split("."));
  return (parts[0] ?? [])
    .map((part, i) => {
      const values = new Set(parts.map((other) => other[i]));
      if (values.size === 1) return part;
      const numbers = [...values].map(Number);
      return `{${Math.min(...numbers)}-${Math.max(...numbers)}}`;
    })
    .join(".");
}
