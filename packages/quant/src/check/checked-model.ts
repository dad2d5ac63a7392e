import { describeModel, type ModelDescription } from "@vlmopt/models";
import type { Checkpoint, TensorSpec } from "@vlmopt/tensor-io";
import { quantizedWeights } from "../checkpoint/quantized-weights.ts";
import type { FoundWeight } from "../formats/format.ts";
import type { CheckOptions } from "./loader.ts";

type Json = Readonly<Record<string, unknown>>;

/** A checkpoint as loaders see it. */
export interface CheckedModel {
  readonly location: string;
  readonly isGguf: boolean;
  readonly config: Json;
  /** The text model's part of config.json. */
  readonly textConfig: Json;
  /** Undefined where configuration and weights do not agree, or the family is not known. */
  readonly description: ModelDescription | undefined;
  /** Why there is none. */
  readonly mismatch: string | undefined;
  /** `quantization_config`, where weights are stored in fewer bits. */
  readonly quantization: Json | undefined;
  /** Weights that are stored in fewer bits, by name. */
  readonly quantized: ReadonlyMap<string, FoundWeight>;
  /** Whether a file lies beside the weights. */
  has(file: string): boolean;
  readonly tensorParallel: number;
}

const siblings = [
  "tokenizer.json",
  "tokenizer.model",
  "vocab.json",
  "preprocessor_config.json",
  "processor_config.json",
];

export async function checkedModel(checkpoint: Checkpoint, options: CheckOptions): Promise<CheckedModel> {
  const config = await jsonOf(checkpoint);
  const found = await quantizedWeights(checkpoint);
  const isGguf = [...checkpoint.sources.keys()].some((name) => name.endsWith(".gguf"));
  const specs = new Map<string, TensorSpec>();
  const parts = new Set([...found.values()].flatMap((one) => one.parts));
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    if (parts.has(name)) continue;
    const one = found.get(name);
    const spec = one === undefined ? { name, dtype, shape } : { ...one.weight, name: one.name };
    specs.set(spec.name, spec);
  }
  let description: ModelDescription | undefined;
  let mismatch: string | undefined;
  try {
    description = describeModel(config, specs);
  } catch (error) {
    mismatch = error instanceof Error ? error.message : String(error);
  }
  const files = new Set<string>();
  for (const name of siblings) if ((await checkpoint.readSibling(name)) !== undefined) files.add(name);
  const path = description?.languageModel.configPath ?? [];
  const quantization = config.quantization_config as Json | null | undefined;
  return {
    location: checkpoint.location,
    isGguf,
    config,
    textConfig: path.reduce<Json>((part, key) => (part[key] ?? {}) as Json, config),
    description,
    mismatch,
    quantization: isGguf ? undefined : (quantization ?? undefined),
    quantized: new Map([...found.values()].map((one) => [one.name, one])),
    has: (file) => files.has(file),
    tensorParallel: options.tensorParallel ?? 1,
  };
}

async function jsonOf(checkpoint: Checkpoint): Promise<Json> {
  const bytes = await checkpoint.readSibling("config.json");
  if (bytes === undefined) return {};
  try {
    const json: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof json === "object" && json !== null ? (json as Json) : {};
  } catch {
    return {};
  }
}
