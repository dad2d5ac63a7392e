import type { ConfigReader } from "../config-reader.ts";
import { describeDecoder } from "../decoder.ts";
import type { Layer, VisionTower } from "../description.ts";
import type { WeightList, WeightScope } from "../weight-list.ts";
import { type Family, textPart } from "./family.ts";

/** BLIP-2 (arXiv:2301.12597) with OPT: ViT-g, a Q-Former that asks it 32 questions, one linear. */
export const blip2: Family = {
  modelTypes: ["blip-2"],
  describe(config, list) {
    const visionTower = describeVit(list, config.child("vision_config"));
    const qFormerSize = describeQFormer(
      list,
      config.child("qformer_config"),
      config.size("num_query_tokens", 32),
      visionTower.hiddenSize,
    );
    const { text, modelType } = textPart(config, "opt");
    const languageModel = describeDecoder(
      list,
      text,
      modelType,
      {
        body: ["language_model.model.decoder.", "model.language_model.decoder."],
        lmHead: ["language_model.", ""],
      },
      config.flag("tie_word_embeddings", false),
    );
    list
      .component("projector", ["", "model."], "language_projection.weight")
      .linear("projector", "language_projection", languageModel.hiddenSize, qFormerSize, true);
    return { languageModel, visionTower };
  },
};

function describeVit(list: WeightList, config: ConfigReader): VisionTower {
  const tower = list.component(
    "visionTower",
    ["vision_model.", "model.vision_model."],
    "embeddings.class_embedding",
  );
  const hiddenSize = config.size("hidden_size", 1408);
  const intermediateSize = config.size("intermediate_size", 6144);
  const numHeads = config.size("num_attention_heads", 16);
  const patchSize = config.size("patch_size", 14);
  const positions = Math.floor(config.size("image_size", 224) / patchSize) ** 2 + 1;
  const qkvBias = config.flag("qkv_bias", true);
  tower.weight("embedding", "embeddings.class_embedding", [1, 1, hiddenSize]);
  tower.weight("positionEmbedding", "embeddings.position_embedding", [1, positions, hiddenSize]);
  tower.weight("patchEmbedding", "embeddings.patch_embedding.weight", [hiddenSize, 3, patchSize, patchSize]);
  tower.weight("patchEmbedding", "embeddings.patch_embedding.bias", [hiddenSize]);
  const layers = Array.from({ length: config.size("num_hidden_layers", 39) }, (_, index): Layer => {
    const layer = tower.at(`encoder.layers.${index}.`, index);
    const attention = {
      kind: "fused" as const,
      qkvProj: layer.linear("qkvProj", "self_attn.qkv", 3 * hiddenSize, hiddenSize, qkvBias),
      oProj: layer.linear("oProj", "self_attn.projection", hiddenSize, hiddenSize, true),
      numHeads,
      headDim: Math.floor(hiddenSize / numHeads),
    };
    const fc1 = layer.linear("fc1", "mlp.fc1", intermediateSize, hiddenSize, true);
    const fc2 = layer.linear("fc2", "mlp.fc2", hiddenSize, intermediateSize, true);
    for (const name of ["layer_norm1", "layer_norm2"]) layer.norm(name, hiddenSize, true);
    return { index, attention, mlp: { kind: "plain", fc1, fc2 }, weights: layer.names() };
  });
  tower.norm("post_layernorm", hiddenSize, true);
  return { hiddenSize, layers };
}

/** @returns its hidden size */
function describeQFormer(
  list: WeightList,
  config: ConfigReader,
  queries: number,
  encoderSize: number,
): number {
  const root = list.component("qFormer", ["", "model."], "query_tokens");
  const hiddenSize = config.size("hidden_size", 768);
  const intermediateSize = config.size("intermediate_size", 3072);
  const crossEvery = config.size("cross_attention_frequency", 2);
  root.weight("embedding", "query_tokens", [1, queries, hiddenSize]);
  const qFormer = root.at("qformer.");
  qFormer.norm("layernorm", hiddenSize, true);
  for (let index = 0; index < config.size("num_hidden_layers", 12); index++) {
    const layer = qFormer.at(`encoder.layer.${index}.`, index);
    describeBertAttention(layer.at("attention."), hiddenSize, hiddenSize);
    if (index % crossEvery === 0) describeBertAttention(layer.at("crossattention."), hiddenSize, encoderSize);
    layer.linear("fc1", "intermediate_query.dense", intermediateSize, hiddenSize, true);
    layer.linear("fc2", "output_query.dense", hiddenSize, intermediateSize, true);
    layer.norm("output_query.LayerNorm", hiddenSize, true);
  }
  return hiddenSize;
}

/** BERT's attention block; keys and values come from features of `sourceSize`. */
function describeBertAttention(block: WeightScope, hiddenSize: number, sourceSize: number): void {
  block.linear("qProj", "attention.query", hiddenSize, hiddenSize, true);
  block.linear("kProj", "attention.key", hiddenSize, sourceSize, true);
  block.linear("vProj", "attention.value", hiddenSize, sourceSize, true);
  block.linear("oProj", "output.dense", hiddenSize, hiddenSize, true);
  block.norm("output.LayerNorm", hiddenSize, true);
}
