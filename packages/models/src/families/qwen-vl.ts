import type { ConfigReader } from "../config-reader.ts";
import { describeDecoder } from "../decoder.ts";
import type { FusedAttention, Layer, Mlp, VisionTower } from "../description.ts";
import type { WeightScope } from "../weight-list.ts";
import { type Family, textPart } from "./family.ts";

/** Qwen2-VL (arXiv:2409.12191), Qwen2.5-VL and Qwen3-VL: a vision transformer of any resolution that merges patches by fours, Qwen. */
export const qwenVl: Family = {
  modelTypes: ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"],
  describe(config, list) {
    const vision = config.child("vision_config");
    const tower = list.component("visionTower", ["visual.", "model.visual."], "patch_embed.proj.weight");
    const modelType = config.text("model_type");
    const describeVision =
      { qwen2_vl: describeVision2, qwen2_5_vl: describeVision25 }[modelType] ?? describeVision3;
    const visionTower = describeVision(tower, vision);
    const part = textPart(config, modelType);
    const languageModel = describeDecoder(
      list,
      part.text,
      part.modelType,
      { body: ["model.", "model.language_model.", "language_model."], lmHead: [""] },
      config.flag("tie_word_embeddings", false),
    );
    return { languageModel, visionTower };
  },
};

/** The convolution over `[temporal, patch, patch]`. */
function describePatches(
  tower: WeightScope,
  config: ConfigReader,
  hiddenSize: number,
  patchSize: number,
): void {
  const patch = config.size("patch_size", patchSize);
  const shape = [
    hiddenSize,
    config.size("in_channels", 3),
    config.size("temporal_patch_size", 2),
    patch,
    patch,
  ];
  tower.weight("patchEmbedding", "patch_embed.proj.weight", shape);
}

function describeBlocks(
  tower: WeightScope,
  depth: number,
  attention: { readonly hiddenSize: number; readonly numHeads: number },
  describeMlp: (block: WeightScope) => Mlp,
  normBias: boolean,
): Layer[] {
  const { hiddenSize, numHeads } = attention;
  return Array.from({ length: depth }, (_, index) => {
    const block = tower.at(`blocks.${index}.`, index);
    const fused: FusedAttention = {
      kind: "fused",
      qkvProj: block.linear("qkvProj", "attn.qkv", 3 * hiddenSize, hiddenSize, true),
      oProj: block.linear("oProj", "attn.proj", hiddenSize, hiddenSize, true),
      numHeads,
      headDim: Math.floor(hiddenSize / numHeads),
    };
    const mlp = describeMlp(block);
    for (const name of ["norm1", "norm2"]) block.norm(name, hiddenSize, normBias);
    return { index, attention: fused, mlp, weights: block.names() };
  });
}

function describeVision2(tower: WeightScope, config: ConfigReader): VisionTower {
  const hiddenSize = config.size("embed_dim", 1280);
  const mlpSize = Math.floor(hiddenSize * config.size("mlp_ratio", 4));
  const merged = hiddenSize * config.size("spatial_merge_size", 2) ** 2;
  describePatches(tower, config, hiddenSize, 14);
  const layers = describeBlocks(
    tower,
    config.size("depth", 32),
    { hiddenSize, numHeads: config.size("num_heads", 16) },
    (block) => ({
      kind: "plain",
      fc1: block.linear("fc1", "mlp.fc1", mlpSize, hiddenSize, true),
      fc2: block.linear("fc2", "mlp.fc2", hiddenSize, mlpSize, true),
    }),
    true,
  );
  const merger = tower.at("merger.");
  merger.norm("ln_q", hiddenSize, true);
  merger.linear("projector", "mlp.0", merged, merged, true);
  merger.linear("projector", "mlp.2", config.size("hidden_size", 3584), merged, true);
  return { hiddenSize, layers };
}

function describeVision25(tower: WeightScope, config: ConfigReader): VisionTower {
  const hiddenSize = config.size("hidden_size", 3584);
  const mlpSize = config.size("intermediate_size", 3420);
  const merged = hiddenSize * config.size("spatial_merge_size", 2) ** 2;
  describePatches(tower, config, hiddenSize, 14);
  const layers = describeBlocks(
    tower,
    config.size("depth", 32),
    { hiddenSize, numHeads: config.size("num_heads", 16) },
    (block) => ({
      kind: "gated",
      gateProj: block.linear("gateProj", "mlp.gate_proj", mlpSize, hiddenSize, true),
      upProj: block.linear("upProj", "mlp.up_proj", mlpSize, hiddenSize, true),
      downProj: block.linear("downProj", "mlp.down_proj", hiddenSize, mlpSize, true),
    }),
    false,
  );
  const merger = tower.at("merger.");
  merger.norm("ln_q", hiddenSize, false);
  merger.linear("projector", "mlp.0", merged, merged, true);
  merger.linear("projector", "mlp.2", config.size("out_hidden_size", 3584), merged, true);
  return { hiddenSize, layers };
}

function describeVision3(tower: WeightScope, config: ConfigReader): VisionTower {
  const hiddenSize = config.size("hidden_size", 1152);
  const mlpSize = config.size("intermediate_size", 4304);
  const outSize = config.size("out_hidden_size", 3584);
  const merged = hiddenSize * config.size("spatial_merge_size", 2) ** 2;
  describePatches(tower, config, hiddenSize, 16);
  tower.weight("patchEmbedding", "patch_embed.proj.bias", [hiddenSize]);
  tower.weight("positionEmbedding", "pos_embed.weight", [
    config.size("num_position_embeddings", 2304),
    hiddenSize,
  ]);
  const layers = describeBlocks(
    tower,
    config.size("depth", 27),
    { hiddenSize, numHeads: config.size("num_heads", 16) },
    (block) => ({
      kind: "plain",
      fc1: block.linear("fc1", "mlp.linear_fc1", mlpSize, hiddenSize, true),
      fc2: block.linear("fc2", "mlp.linear_fc2", hiddenSize, mlpSize, true),
    }),
    true,
  );
  const describeMerger = (merger: WeightScope, normSize: number) => {
    merger.norm("norm", normSize, true);
    merger.linear("projector", "linear_fc1", merged, merged, true);
    merger.linear("projector", "linear_fc2", outSize, merged, true);
  };
  describeMerger(tower.at("merger."), hiddenSize);
  // Features of some layers join the text model's first layers, each through a merger of its own that norms after merging.
  const deep = config.sizes("deepstack_visual_indexes", [8, 16, 24]);
  for (const i of deep.keys()) describeMerger(tower.at(`deepstack_merger_list.${i}.`), merged);
  return { hiddenSize, layers };
}
