import type { Linear, ModelDescription } from "@vlmopt/models";
import { type Json, numberAt, objectAt } from "./config-values.ts";
import type { ConvertibleTensor } from "./convertible-tensor.ts";
import { GgufError } from "./gguf-error.ts";
import { float32, type MetadataValue, text, uint32 } from "./metadata.ts";
import type { TensorTypes } from "./tensor-types.ts";

/** Text models that are `llama` to llama.cpp. Mistral's sliding window is left out there too: it matters past 4096 tokens. */
const contextLengths: Readonly<Record<string, number>> = { llama: 2048, mistral: 131_072 };

/**
 * `llama.*` of a text model. Sizes come from the weights, so pruned models whose head size is no longer hidden size / heads are told
 * rightly; what no weight shows comes from the configuration, with the defaults of transformers.
 * @param config the text model's part of config.json
 * @throws {GgufError} for other text models, activations and scalings of the rotary embedding than llama.cpp has under `llama`
 */
export function llamaMetadata(
  { languageModel }: ModelDescription,
  config: Json,
): [key: string, value: MetadataValue][] {
  const { modelType, hiddenSize, vocabSize, layers } = languageModel;
  const contextLength = contextLengths[modelType];
  const first = layers[0];
  if (contextLength === undefined || first === undefined || first.mlp.kind !== "gated") {
    throw new GgufError(
      `GGUF files are written for ${Object.keys(contextLengths).join(" and ")} text models, and this is ${modelType}`,
    );
  }
  const activation = config.hidden_act ?? "silu";
  if (activation !== "silu") {
    throw new GgufError(`hidden_act is ${JSON.stringify(activation)}, and llama.cpp's llama has silu`);
  }
  const { numHeads, numKvHeads, headDim } = first.attention;
  return [
    ["llama.vocab_size", uint32(vocabSize)],
    ["llama.context_length", uint32(numberAt(config, "max_position_embeddings", contextLength))],
    ["llama.embedding_length", uint32(hiddenSize)],
    ["llama.block_count", uint32(layers.length)],
    ["llama.feed_forward_length", uint32(first.mlp.gateProj.outFeatures)],
    ["llama.attention.head_count", uint32(numHeads)],
    ["llama.attention.head_count_kv", uint32(numKvHeads)],
    ["llama.attention.key_length", uint32(headDim)],
    ["llama.attention.value_length", uint32(headDim)],
    ["llama.attention.layer_norm_rms_epsilon", float32(numberAt(config, "rms_norm_eps", 1e-6))],
    ["llama.rope.dimension_count", uint32(headDim)],
    ...ropeMetadata(config),
  ];
}

/** `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of before. */
function ropeMetadata(config: Json): [key: string, value: MetadataValue][] {
  const rope = { ...objectAt(config, "rope_scaling"), ...objectAt(config, "rope_parameters") };
  const theta = numberAt(rope, "rope_theta", numberAt(config, "rope_theta", 10_000));
  const base: [string, MetadataValue] = ["llama.rope.freq_base", float32(theta)];
  const kind = rope.rope_type ?? rope.type ?? "default";
  if (kind === "default") return [base];
  if (kind === "linear") {
    return [
      base,
      ["llama.rope.scaling.type", text("linear")],
      ["llama.rope.scaling.factor", float32(numberAt(rope, "factor", 1))],
    ];
  }
  throw new GgufError(
    `the rotary embedding is scaled by ${JSON.stringify(kind)}; plain and linear are written`,
  );
}

/** Tensors of a text model under llama.cpp's names, in its order. */
export function llamaTensors(
  { languageModel, prefixes }: ModelDescription,
  types: TensorTypes,
): ConvertibleTensor[] {
  const { layers, embedTokens, lmHead } = languageModel;
  const prefix = prefixes.languageModel ?? "";
  const plain = (name: string, source: string): ConvertibleTensor => ({ name, source, type: "F32" });
  const linear = (
    name: string,
    { role, weight, bias }: Linear,
    layer: number,
    headDim?: number,
  ): ConvertibleTensor[] => {
    const heads = headDim === undefined ? {} : { headDim };
    const matrix = { name: `${name}.weight`, source: weight, type: types(role, weight, layer), ...heads };
    return bias === undefined ? [matrix] : [matrix, { ...plain(`${name}.bias`, bias), ...heads }];
  };
  return [
    { name: "token_embd.weight", source: embedTokens, type: types("embedding", embedTokens) },
    ...layers.flatMap(({ index, attention, mlp }) => {
      const block = `blk.${index}`;
      const { qProj, kProj, vProj, oProj, headDim } = attention;
      if (mlp.kind !== "gated") throw new GgufError(`layer ${index} has an MLP without a gate`);
      return [
        plain(`${block}.attn_norm.weight`, `${prefix}layers.${index}.input_layernorm.weight`),
        ...linear(`${block}.attn_q`, qProj, index, headDim),
        ...linear(`${block}.attn_k`, kProj, index, headDim),
        ...linear(`${block}.attn_v`, vProj, index),
        ...linear(`${block}.attn_output`, oProj, index),
        plain(`${block}.ffn_norm.weight`, `${prefix}layers.${index}.post_attention_layernorm.weight`),
        ...linear(`${block}.ffn_gate`, mlp.gateProj, index),
        ...linear(`${block}.ffn_up`, mlp.upProj, index),
        ...linear(`${block}.ffn_down`, mlp.downProj, index),
      ];
    }),
    plain("output_norm.weight", `${prefix}norm.weight`),
    ...(lmHead === undefined
      ? []
      : [{ name: "output.weight", source: lmHead.weight, type: types("lmHead", lmHead.weight) }]),
  ];
}
