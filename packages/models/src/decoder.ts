import type { ConfigReader } from "./config-reader.ts";
import { type DecoderTraits, traitsByType } from "./decoder-traits.ts";
import { type Attention, ConfigError, type LanguageModel, type Layer } from "./description.ts";
import { separateAttention } from "./separate-attention.ts";
import type { WeightList, WeightScope } from "./weight-list.ts";

/** Model types that `describeDecoder` knows. */
export const decoderTypes = [...Object.keys(traitsByType), "opt"];

/** Where a model keeps the tensors of its text model: prefixes of its body and of `lm_head`, as savers of different years wrote them. */
export interface DecoderPlaces {
  readonly body: readonly string[];
  readonly lmHead: readonly string[];
}

/**
 * The text model of a configuration.
 * @param tied whether the model around it says that the output layer is the embedding; the text model's own word counts too
 */
export function describeDecoder(
  list: WeightList,
  config: ConfigReader,
  modelType: string,
  places: DecoderPlaces,
  tied: boolean,
): LanguageModel {
  return modelType === "opt"
    ? describeOpt(list, config, places, tied)
    : describeGated(list, config, modelType, places, tied);
}

function describeGated(
  list: WeightList,
  config: ConfigReader,
  modelType: string,
  places: DecoderPlaces,
  tied: boolean,
): LanguageModel {
  const traits = traitsByType[modelType] as DecoderTraits;
  const hiddenSize = config.size("hidden_size", traits.hiddenSize);
  const widths = mlpWidths(
    config,
    "intermediate_size",
    traits.intermediateSize,
    config.size("num_hidden_layers", traits.layers),
  );
  const vocabSize = config.size("vocab_size", traits.vocabSize);
  const numHeads = config.size("num_attention_heads", traits.heads);
  const numKvHeads = kvHeadsOf(config, traits, numHeads);
  const headDim = headDimOf(config, traits, Math.floor(hiddenSize / numHeads));
  const attentionBias = traits.attentionBias === "told" && config.flag("attention_bias", false);
  const mlpBias = traits.mlpBias === true && config.flag("mlp_bias", false);

  const body = list.component("languageModel", places.body, "embed_tokens.weight");
  const embedTokens = body.weight("embedding", "embed_tokens.weight", [vocabSize, hiddenSize]);
  const layers = widths.map((intermediateSize, index): Layer<Attention> => {
    const layer = body.at(`layers.${index}.`, index);
    const qkvBias = traits.attentionBias === "always" || attentionBias;
    const attention: Attention = {
      kind: "separate",
      qProj: layer.linear("qProj", "self_attn.q_proj", numHeads * headDim, hiddenSize, qkvBias),
      kProj: layer.linear("kProj", "self_attn.k_proj", numKvHeads * headDim, hiddenSize, qkvBias),
      vProj: layer.linear("vProj", "self_attn.v_proj", numKvHeads * headDim, hiddenSize, qkvBias),
      oProj: layer.linear("oProj", "self_attn.o_proj", hiddenSize, numHeads * headDim, attentionBias),
      numHeads,
      numKvHeads,
      headDim,
    };
    if (traits.qkNorm)
      for (const name of ["q_norm", "k_norm"]) layer.norm(`self_attn.${name}`, headDim, false);
    const gateProj = layer.linear("gateProj", "mlp.gate_proj", intermediateSize, hiddenSize, mlpBias);
    const upProj = layer.linear("upProj", "mlp.up_proj", intermediateSize, hiddenSize, mlpBias);
    const downProj = layer.linear("downProj", "mlp.down_proj", hiddenSize, intermediateSize, mlpBias);
    layer.norm("input_layernorm", hiddenSize, false);
    layer.norm("post_attention_layernorm", hiddenSize, false);
    if (traits.feedForwardNorms) {
      for (const name of ["pre", "post"]) layer.norm(`${name}_feedforward_layernorm`, hiddenSize, false);
    }
    return { index, attention, mlp: { kind: "gated", gateProj, upProj, downProj }, weights: layer.names() };
  });
  body.norm("norm", hiddenSize, false);
  const isTied = tied || config.flag("tie_word_embeddings", traits.tied ?? false);
  const lmHead = describeLmHead(list, places, vocabSize, hiddenSize, isTied);
  return { modelType, configPath: config.path, hiddenSize, vocabSize, layers, embedTokens, lmHead };
}

function kvHeadsOf(config: ConfigReader, { kvHeads, nullKvHeads }: DecoderTraits, heads: number): number {
  const told = "num_key_value_heads";
  return nullKvHeads ? (config.sizeOrNull(told, kvHeads ?? heads) ?? heads) : config.size(told, kvHeads);
}

function headDimOf(config: ConfigReader, { headDim }: DecoderTraits, share: number): number {
  if (headDim === "hidden") return share;
  return headDim === "told"
    ? (config.sizeOrNull("head_dim", share) ?? share)
    : config.size("head_dim", headDim);
}

/** OPT: learned positions, biases everywhere, an MLP without a gate. */
function describeOpt(
  list: WeightList,
  config: ConfigReader,
  places: DecoderPlaces,
  tied: boolean,
): LanguageModel {
  const hiddenSize = config.size("hidden_size", 768);
  const widths = mlpWidths(config, "ffn_dim", 3072, config.size("num_hidden_layers", 12));
  const vocabSize = config.size("vocab_size", 50_272);
  const embedDim = config.sizeOrNull("word_embed_proj_dim", hiddenSize) ?? hiddenSize;
  const numHeads = config.size("num_attention_heads", 12);
  const bias = config.flag("enable_bias", true);
  const normWeights = config.flag("layer_norm_elementwise_affine", true);
  const norm = (scope: WeightScope, name: string) => {
    if (normWeights) scope.norm(name, hiddenSize, true);
  };

  const body = list.component("languageModel", places.body, "embed_tokens.weight");
  const embedTokens = body.weight("embedding", "embed_tokens.weight", [vocabSize, embedDim]);
  // The first two positions are for padding.
  const positions = config.size("max_position_embeddings", 2048) + 2;
  body.weight("positionEmbedding", "embed_positions.weight", [positions, hiddenSize]);
  if (embedDim !== hiddenSize) {
    body.linear("other", "project_in", hiddenSize, embedDim, false);
    body.linear("other", "project_out", embedDim, hiddenSize, false);
  }
  const layers = widths.map((ffnDim, index): Layer<Attention> => {
    const layer = body.at(`layers.${index}.`, index);
    const attention = separateAttention(layer, hiddenSize, numHeads, bias);
    const fc1 = layer.linear("fc1", "fc1", ffnDim, hiddenSize, bias);
    const fc2 = layer.linear("fc2", "fc2", hiddenSize, ffnDim, bias);
    norm(layer, "self_attn_layer_norm");
    norm(layer, "final_layer_norm");
    return { index, attention, mlp: { kind: "plain", fc1, fc2 }, weights: layer.names() };
  });
  const finalNorm =
    config.flag("do_layer_norm_before", true) && !config.flag("_remove_final_layer_norm", false);
  if (finalNorm) norm(body, "final_layer_norm");
  const isTied = tied || config.flag("tie_word_embeddings", true);
  const lmHead = describeLmHead(list, places, vocabSize, embedDim, isTied);
  return { modelType: "opt", configPath: config.path, hiddenSize, vocabSize, layers, embedTokens, lmHead };
}

function describeLmHead(
  list: WeightList,
  places: DecoderPlaces,
  vocabSize: number,
  inFeatures: number,
  tied: boolean,
) {
  const scope = list.component("languageModel", places.lmHead, "lm_head.weight");
  if (tied && !scope.holds("lm_head.weight")) return undefined;
  return scope.linear("lmHead", "lm_head", vocabSize, inFeatures, false);
}

/** Neurons of each layer's MLP. A list, which stock transformers does not read, gives every layer its own number. */
function mlpWidths(config: ConfigReader, key: string, fallback: number, layers: number): readonly number[] {
  const told = config.numbers(key, [fallback]);
  if (told.length === 1) {
    const [width = 0] = told;
    if (!Number.isSafeInteger(width) || width < 1) config.size(key, fallback);
    return Array.from({ length: layers }, () => width);
  }
  if (told.length === layers && told.every((width) => Number.isSafeInteger(width) && width > 0)) return told;
  throw new ConfigError(
    `${[...config.path, key].join(".")} of config.json lists ${told.length} sizes for ${layers} layers; every layer needs one, a whole number of at least 1`,
  );
}
