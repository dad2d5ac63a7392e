import { parse, stringify } from "lossless-json";
import { traitsByType } from "./decoder-traits.ts";
import { ConfigError, type LanguageModel, type ModelDescription } from "./description.ts";
import { alternatingTypes } from "./layer-windows.ts";
import { readModelConfig } from "./sub-configs.ts";

/** New sizes of the language model; what is left out stays. */
export interface LanguageModelSizes {
  /** One for all layers, or one for each layer that stays, which stock transformers does not load. */
  readonly intermediateSize?: number | readonly number[];
  readonly numHeads?: number;
  readonly numKvHeads?: number;
  /** Layers that stay, ascending, by their old index. */
  readonly keptLayers?: readonly number[];
}

/** One change of config.json: the value at a path, or its removal. */
export interface ConfigEdit {
  readonly path: readonly string[];
  /** Undefined removes the key. */
  readonly value?: unknown;
}

type Json = Readonly<Record<string, unknown>>;

/**
 * What to change in the configuration of a model to give it other sizes, such that stock transformers 5 loads it. `headDim` never
 * changes: it is written out where the loader would otherwise compute it from the number of heads.
 * @param config the contents of config.json
 * @throws {ConfigError} where no configuration of the family can say it, with the reason
 */
export function resizeConfig(
  config: unknown,
  description: ModelDescription,
  sizes: LanguageModelSizes,
): ConfigEdit[] {
  const { languageModel } = description;
  const text = languageModel.configPath.reduce(
    (part: Json | undefined, key) => part?.[key] as Json | undefined,
    config as Json,
  );
  if (text === undefined || text === null) {
    throw new ConfigError(
      `${languageModel.configPath.join(".")} of config.json is missing, where the new sizes must stand`,
    );
  }
  const changes: Record<string, unknown> = {};
  if (sizes.intermediateSize !== undefined) {
    changes[languageModel.modelType === "opt" ? "ffn_dim" : "intermediate_size"] = sizes.intermediateSize;
  }
  if (sizes.keptLayers !== undefined) {
    changes.num_hidden_layers = sizes.keptLayers.length;
    Object.assign(changes, layerChanges(config, description, sizes.keptLayers));
  }
  const attention = languageModel.layers[0]?.attention;
  if (attention !== undefined) {
    const numHeads = sizes.numHeads ?? attention.numHeads;
    const numKvHeads = sizes.numKvHeads ?? attention.numKvHeads;
    if (numHeads !== attention.numHeads || numKvHeads !== attention.numKvHeads) {
      Object.assign(changes, headChanges(text, languageModel, numHeads, numKvHeads));
    }
  }
  const edits = Object.entries(changes).map(([key, value]) => ({
    path: [...languageModel.configPath, key],
    value,
  }));
  return changes.model_type === "mistral"
    ? [...edits, ...mistralArchitectures(config as Json, languageModel)]
    : edits;
}

/**
 * The text of config.json with edits made. All else stays as it is written, numbers too: `30.0` must not become `30`, since
 * transformers tells integers from floats.
 */
export function editConfig(text: string, edits: readonly ConfigEdit[]): string {
  const config = parse(text) as Record<string, unknown>;
  for (const { path, value } of edits) {
    const parent = path.slice(0, -1).reduce((part, key) => part[key] as Record<string, unknown>, config);
    const key = path.at(-1) ?? "";
    if (value === undefined) delete parent[key];
    else parent[key] = value;
  }
  return `${stringify(config, undefined, 2)}\n`;
}

/** What is told of layers by their index goes along with them. */
function layerChanges(
  config: unknown,
  { modelType, languageModel }: ModelDescription,
  kept: readonly number[],
): Record<string, unknown> {
  const reader = readModelConfig(config);
  const count = languageModel.layers.length;
  if (modelType === "qwen3_vl") {
    const deep = reader.child("vision_config").sizes("deepstack_visual_indexes", [8, 16, 24]).length;
    const first = Array.from({ length: Math.min(deep, count) }, (_, layer) => layer);
    const gone = first.filter((layer) => !kept.includes(layer));
    if (gone.length > 0) {
      throw new ConfigError(
        `layer ${gone.join(", ")} cannot go: the first ${deep} layers of ${modelType} take in features of pictures one by one (deepstack), and no configuration can leave one out; drop layers from ${deep} on`,
      );
    }
  }
  const text = languageModel.configPath.reduce((part, key) => part.child(key), reader);
  const windows = traitsByType[languageModel.modelType]?.windows;
  if (windows?.kind === "alternate" || text.has("layer_types")) {
    const types = text.has("layer_types") ? text.texts("layer_types") : alternatingTypes(count);
    return { layer_types: kept.map((layer) => types[layer]) };
  }
  if (windows?.kind !== "from") return {};
  const first = text.numberOrNull("max_window_layers", windows.first) ?? count;
  return first < count ? { max_window_layers: kept.filter((layer) => layer < first).length } : {};
}

/**
 * config.json of a checkpoint with edits made, as a file to write; none where nothing changes or there is none.
 * @param source reads files beside the weights
 */
export async function editedConfig(
  source: { readSibling(name: string): Promise<Uint8Array | undefined> },
  edits: readonly ConfigEdit[],
): Promise<Record<string, string>> {
  const bytes = edits.length > 0 ? await source.readSibling("config.json") : undefined;
  return bytes === undefined ? {} : { "config.json": editConfig(new TextDecoder().decode(bytes), edits) };
}

function headChanges(
  text: Json,
  { modelType, hiddenSize, layers }: LanguageModel,
  numHeads: number,
  numKvHeads: number,
): Record<string, unknown> {
  const headDim = layers[0]?.attention.headDim;
  if (numHeads % numKvHeads !== 0) {
    throw new ConfigError(`${numHeads} query heads cannot share ${numKvHeads} key-value heads evenly`);
  }
  const heads = { num_attention_heads: numHeads, num_key_value_heads: numKvHeads, head_dim: headDim };
  const divides = hiddenSize % numHeads === 0;
  switch (modelType) {
    case "opt":
    case "qwen2_vl":
    case "qwen2_vl_text":
    case "qwen2_5_vl":
    case "qwen2_5_vl_text":
      throw new ConfigError(
        `heads of ${modelType} cannot be pruned: transformers takes hidden_size / num_attention_heads (${hiddenSize} / ${numHeads}) for the size of a head, which is ${headDim}; prune neurons or layers instead`,
      );
    case "gemma2":
      if (!divides) {
        const possible = divisors(hiddenSize).filter(
          (count) => count % numKvHeads === 0 && count <= numHeads,
        );
        throw new ConfigError(
          `${numHeads} heads of gemma2 do not load: transformers demands a count that divides hidden_size ${hiddenSize}; the nearest below is ${possible.at(-1) ?? "none"}`,
        );
      }
      return heads;
    case "llama":
      return divides ? heads : { ...heads, ...mistralChanges(text, numHeads, hiddenSize) };
    default:
      return heads;
  }
}

/**
 * LlamaConfig refuses a number of heads that does not divide the hidden size. Mistral without a sliding window is the same
 * mathematics under the same tensor names, and MistralConfig has no such check.
 */
function mistralChanges(text: Json, numHeads: number, hiddenSize: number): Record<string, unknown> {
  if (text.attention_bias === true || text.mlp_bias === true) {
    throw new ConfigError(
      `${numHeads} heads do not divide hidden_size ${hiddenSize}, which llama demands, and this one has biases, which mistral cannot say`,
    );
  }
  const llamaOnly = ["attention_bias", "mlp_bias", "pretraining_tp"].filter((key) => key in text);
  return {
    ...Object.fromEntries(llamaOnly.map((key) => [key, undefined])),
    model_type: "mistral",
    sliding_window: null,
  };
}

/** `LlamaForCausalLM` becomes `MistralForCausalLM`, wherever the configuration names it. */
function mistralArchitectures(config: Json, { configPath }: LanguageModel): ConfigEdit[] {
  const places = configPath.length === 0 ? [[]] : [[], configPath];
  return places.flatMap((place) => {
    const { architectures } = place.reduce((part, key) => part[key] as Json, config);
    if (!Array.isArray(architectures)) return [];
    const value = architectures.map((name) => String(name).replace(/^Llama(?=For|Model)/, "Mistral"));
    return [{ path: [...place, "architectures"], value }];
  });
}

function divisors(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((candidate) => count % candidate === 0);
}
