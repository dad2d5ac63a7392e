import type { Linear, ModelDescription } from "@vlmopt/models";
import { type Json, numberAt, objectAt } from "./config-values.ts";
import type { ConvertibleTensor } from "./convertible-tensor.ts";
import { GgufError } from "./gguf-error.ts";
import { float32, type MetadataValue, text, uint32 } from "./metadata.ts";
import type { TensorTypes } from "./tensor-types.ts";
import { type WrittenFamily, writtenFamily, writtenTypes } from "./text-families.ts";

/** Positions that transformers takes where config.json tells none. Mistral's sliding window is left out in llama.cpp, too: it matters past 4096 tokens. */
const contextLengths: Readonly<Record<string, number>> = {
  llama: 2048,
  mistral: 131_072,
  qwen2: 32_768,
  qwen3: 32_768,
  gemma: 8192,
  gemma2: 8192,
};

/**
 * What llama.cpp has to know of a text model, under its architecture's keys. Sizes come from the weights, so pruned models whose head size is no
 * longer hidden size / heads are told rightly; what no weight shows comes from the configuration, with the defaults of transformers.
 * @param config the text model's part of config.json
 * @throws {GgufError} for other text models, activations and scalings of the rotary embedding than llama.cpp has for it
 */
export function writtenMetadata(
  { languageModel }: ModelDescription,
  config: Json,
): { readonly architecture: string; readonly metadata: [key: string, value: MetadataValue][] } {
  const { modelType, hiddenSize, vocabSize, layers } = languageModel;
  const { architecture } = familyOf(modelType);
  const first = layers[0];
  if (first === undefined || first.mlp.kind !== "gated") {
    throw new GgufError(`a ${modelType} without layers, or with MLPs without gates, cannot be written`);
  }
  assertActivation(modelType, config);
  if (modelType.startsWith("qwen") && config.use_sliding_window === true) {
    throw new GgufError(`use_sliding_window is set, and llama.cpp's ${architecture} sees all tokens`);
  }
  const { numHeads, numKvHeads, headDim } = first.attention;
  const own: [string, MetadataValue][] = [
    ["vocab_size", uint32(vocabSize)],
    [
      "context_length",
      uint32(numberAt(config, "max_position_embeddings", contextLengths[modelType] ?? 2048)),
    ],
    ["embedding_length", uint32(hiddenSize)],
    ["block_count", uint32(layers.length)],
    ["feed_forward_length", uint32(first.mlp.gateProj.outFeatures)],
    ["attention.head_count", uint32(numHeads)],
    ["attention.head_count_kv", uint32(numKvHeads)],
    ["attention.key_length", uint32(headDim)],
    ["attention.value_length", uint32(headDim)],
    ["attention.layer_norm_rms_epsilon", float32(numberAt(config, "rms_norm_eps", 1e-6))],
    ["rope.dimension_count", uint32(headDim)],
    ...ropeMetadata(config),
    ...(modelType === "gemma2" ? gemma2Metadata(config, headDim) : []),
  ];
  return { architecture, metadata: own.map(([key, value]) => [`${architecture}.${key}`, value]) };
}

function familyOf(modelType: string): WrittenFamily {
  const family = writtenFamily(modelType);
  if (family !== undefined) return family;
  throw new GgufError(
    `GGUF files are written for ${writtenTypes.join(", ")} text models, and this is ${modelType}`,
  );
}

function assertActivation(modelType: string, config: Json): void {
  const isGemma = modelType.startsWith("gemma");
  const known = isGemma ? ["gelu", "gelu_pytorch_tanh"] : ["silu"];
  const key = modelType === "gemma2" ? "hidden_activation" : "hidden_act";
  const activation = config[key] ?? known[0];
  if (known.includes(String(activation))) return;
  throw new GgufError(
    `${key} is ${JSON.stringify(activation)}, and llama.cpp's ${modelType} has ${known.at(-1)}`,
  );
}

/** llama.cpp scales attention by the head's size, but for the largest model, which it knows by its layers. */
function gemma2Metadata(config: Json, headDim: number): [key: string, value: MetadataValue][] {
  const scalar = numberAt(config, "query_pre_attn_scalar", 256);
  if (scalar !== headDim && numberAt(config, "num_hidden_layers", 26) !== 46) {
    throw new GgufError(
      `query_pre_attn_scalar is ${scalar}, and llama.cpp's gemma2 takes the head's size, ${headDim}`,
    );
  }
  return [
    ["attn_logit_softcapping", float32(numberAt(config, "attn_logit_softcapping", 50))],
    ["final_logit_softcapping", float32(numberAt(config, "final_logit_softcapping", 30))],
    ["attention.sliding_window", uint32(numberAt(config, "sliding_window", 4096))],
  ];
}

/** `rope_parameters` of transformers 5, or `rope_theta` and `rope_scaling` of before. */
function ropeMetadata(config: Json): [key: string, value: MetadataValue][] {
  const rope = { ...objectAt(config, "rope_scaling"), ...objectAt(config, "rope_parameters") };
  const theta = numberAt(rope, "rope_theta", numberAt(config, "rope_theta", 10_000));
  const base: [string, MetadataValue] = ["rope.freq_base", float32(theta)];
  const kind = rope.rope_type ?? rope.type ?? "default";
  if (kind === "default") return [base];
  if (kind === "linear") {
    return [
      base,
      ["rope.scaling.type", text("linear")],
      ["rope.scaling.factor", float32(numberAt(rope, "factor", 1))],
    ];
  }
  throw new GgufError(
    `the rotary embedding is scaled by ${JSON.stringify(kind)}; plain and linear are written`,
  );
}

/** Tensors of a text model under llama.cpp's names, in its order. */
export function writtenTensors(
  { languageModel, prefixes }: ModelDescription,
  types: TensorTypes,
): ConvertibleTensor[] {
  const { modelType, layers, embedTokens, lmHead } = languageModel;
  const { reordersHeads, normOffset, norms } = familyOf(modelType);
  const prefix = prefixes.languageModel ?? "";
  const plain = (name: string, source: string): ConvertibleTensor => ({ name, source, type: "F32" });
  const norm = (name: string, source: string): ConvertibleTensor =>
    normOffset === 0 ? plain(name, source) : { ...plain(name, source), offset: normOffset };
  const normsOf = (index: number, wanted: (name: string) => boolean) =>
    norms
      .filter(([name]) => wanted(name))
      .map(([name, source]) =>
        norm(`blk.${index}.${name}.weight`, `${prefix}layers.${index}.${source}.weight`),
      );
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
        ...normsOf(index, (name) => name === "attn_norm"),
        ...linear(`${block}.attn_q`, qProj, index, reordersHeads ? headDim : undefined),
        ...linear(`${block}.attn_k`, kProj, index, reordersHeads ? headDim : undefined),
        ...linear(`${block}.attn_v`, vProj, index),
        ...linear(`${block}.attn_output`, oProj, index),
        ...normsOf(index, (name) => name !== "attn_norm"),
        ...linear(`${block}.ffn_gate`, mlp.gateProj, index),
        ...linear(`${block}.ffn_up`, mlp.upProj, index),
        ...linear(`${block}.ffn_down`, mlp.downProj, index),
      ];
    }),
    norm("output_norm.weight", `${prefix}norm.weight`),
    ...(lmHead === undefined
      ? []
      : [{ name: "output.weight", source: lmHead.weight, type: types("lmHead", lmHead.weight) }]),
  ];
}
