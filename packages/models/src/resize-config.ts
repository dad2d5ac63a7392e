import { ConfigError, type ModelDescription } from "./description.ts";

/** New sizes of the language model; what is left out stays. */
export interface LanguageModelSizes {
  readonly intermediateSize?: number;
  readonly numHeads?: number;
  readonly numKvHeads?: number;
  /** Layers that stay, ascending, by their old index. */
  readonly keptLayers?: readonly number[];
}

type Json = Record<string, unknown>;

/**
 * The configuration of the same model with other sizes, such that stock transformers 5 loads it. `headDim` never changes: it is
 * written out where the loader would otherwise compute it from the number of heads.
 * @param config the contents of config.json; it is not changed
 * @throws {ConfigError} where no configuration of the family can say it, with the reason
 */
export function resizeConfig(config: unknown, description: ModelDescription, sizes: LanguageModelSizes): Json {
  const resized = structuredClone(config) as Json;
  const { languageModel } = description;
  let text = resized;
  for (const key of languageModel.configPath) text = text[key] as Json;
  if (sizes.intermediateSize !== undefined) {
    text[languageModel.modelType === "opt" ? "ffn_dim" : "intermediate_size"] = sizes.intermediateSize;
  }
  if (sizes.keptLayers !== undefined) keepLayers(text, sizes.keptLayers);
  const [layer] = languageModel.layers;
  if (layer !== undefined && (sizes.numHeads !== undefined || sizes.numKvHeads !== undefined)) {
    const { numHeads, numKvHeads, headDim } = layer.attention;
    const heads = { numHeads: sizes.numHeads ?? numHeads, numKvHeads: sizes.numKvHeads ?? numKvHeads, headDim };
    if (heads.numHeads !== numHeads || heads.numKvHeads !== numKvHeads) {
      setHeads(resized, text, description, heads);
    }
  }
  return resized;
}

function keepLayers(text: Json, kept: readonly number[]): void {
  text.num_hidden_layers = kept.length;
  if (Array.isArray(text.layer_types)) text.layer_types = kept.map((layer) => (text.layer_types as unknown[])[layer]);
}

function setHeads(
  config: Json,
  text: Json,
  { languageModel }: ModelDescription,
  { numHeads, numKvHeads, headDim }: { numHeads: number; numKvHeads: number; headDim: number },
): void {
  const { modelType, hiddenSize } = languageModel;
  if (numHeads % numKvHeads !== 0) {
    throw new ConfigError(`${numHeads} query heads cannot share ${numKvHeads} key-value heads evenly`);
  }
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
        const possible = divisors(hiddenSize).filter((count) => count % numKvHeads === 0 && count <= numHeads);
        throw new ConfigError(
          `${numHeads} heads of gemma2 do not load: transformers demands a count that divides hidden_size ${hiddenSize}; the nearest below is ${possible.at(-1) ?? "none"}`,
        );
      }
      break;
    case "llama":
      if (!divides) toMistral(config, text, numHeads, hiddenSize);
      break;
  }
  Object.assign(text, { num_attention_heads: numHeads, num_key_value_heads: numKvHeads, head_dim: headDim });
}

/**
 * LlamaConfig refuses a number of heads that does not divide the hidden size. Mistral without a sliding window is the same
 * mathematics under the same tensor names, and MistralConfig has no such check.
 */
function toMistral(config: Json, text: Json, numHeads: number, hiddenSize: number): void {
  if (text.attention_bias === true || text.mlp_bias === true) {
    throw new ConfigError(
      `${numHeads} heads do not divide hidden_size ${hiddenSize}, which llama demands, and this one has biases, which mistral cannot say`,
    );
  }
  for (const key of ["attention_bias", "mlp_bias", "pretraining_tp"]) delete text[key];
  Object.assign(text, { model_type: "mistral", sliding_window: null });
  const renamed = (name: unknown) => (typeof name === "string" ? name.replace(/^Llama(?=For|Model)/, "Mistral") : name);
  for (const part of new Set([config, text])) {
    if (Array.isArray(part.architectures)) part.architectures = part.architectures.map(renamed);
  }
}

function divisors(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1).filter((candidate) => count % candidate === 0);
}
