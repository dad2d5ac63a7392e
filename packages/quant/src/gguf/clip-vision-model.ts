import type { ModelDescription } from "@vlmopt/models";
import { type Json, numberAt, objectAt } from "./config-values.ts";
import type { ConvertibleTensor } from "./convertible-tensor.ts";
import { GgufError } from "./gguf-error.ts";
import { bool, float32, float32s, int32s, type MetadataValue, text, uint32 } from "./metadata.ts";

/** What CLIP's image processor takes off and divides by, where no file says otherwise. */
const CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073];
const CLIP_STD = [0.26862954, 0.26130258, 0.27577711];

/** A vision tower and projector as llama.cpp's `mmproj` files hold them. */
export interface ClipModel {
  readonly metadata: [key: string, value: MetadataValue][];
  readonly tensors: ConvertibleTensor[];
}

/**
 * CLIP and the two-layer projector of LLaVA-1.5 for a `mmproj` file. Layers past the deepest one whose features are used stay out, and so does
 * the norm after the last.
 *
 * Builds of llama.cpp since May 2025 put the class token behind the patches where these weights, and its own positions, have it first (its issue
 * 25814): their image features differ from transformers' for every CLIP file, whoever wrote it.
 * @param config config.json
 * @param processor preprocessor_config.json, for the mean and deviation of its images
 * @param type of matrices; the patch embedding is F16 always, as llama.cpp's convolution wants it, and vectors and positions are F32
 * @throws {GgufError} for other vision parts, and ways to choose features, than llama.cpp's `mlp` projector has
 */
export function clipModel(
  description: ModelDescription,
  config: Json,
  processor: Json,
  type: "F16" | "F32",
): ClipModel {
  const { visionTower, languageModel, prefixes, weights } = description;
  const tower = prefixes.visionTower ?? "";
  const first = visionTower?.layers[0];
  const hasClass = weights.some(({ name }) => name === `${tower}embeddings.class_embedding`);
  if (description.modelType !== "llava" || first === undefined || first.mlp.kind !== "plain" || !hasClass) {
    throw new GgufError(
      `a vision part is written for LLaVA-1.5 with CLIP, and this is ${description.modelType}`,
      'write the text model alone (`vision: "none"`)',
    );
  }
  assertKnownProjector(config, weights);
  const vision = objectAt(config, "vision_config");
  const layerCount = visionTower?.layers.length ?? 0;
  const featureLayers = featureLayersOf(config, layerCount);
  const blocks = Math.max(...featureLayers);
  const hiddenSize = visionTower?.hiddenSize ?? 0;
  const ffnSize = first.mlp.fc1.outFeatures;

  return {
    metadata: [
      ["clip.has_vision_encoder", bool(true)],
      ["clip.has_llava_projector", bool(true)],
      ["clip.projector_type", text("mlp")],
      ["clip.use_gelu", bool(usesGelu(vision))],
      ["clip.vision.image_size", uint32(numberAt(vision, "image_size", 224))],
      ["clip.vision.patch_size", uint32(numberAt(vision, "patch_size", 32))],
      ["clip.vision.embedding_length", uint32(hiddenSize)],
      ["clip.vision.feed_forward_length", uint32(ffnSize)],
      ["clip.vision.projection_dim", uint32(languageModel.hiddenSize)],
      ["clip.vision.block_count", uint32(blocks)],
      ["clip.vision.attention.head_count", uint32(first.attention.numHeads)],
      ["clip.vision.attention.layer_norm_epsilon", float32(numberAt(vision, "layer_norm_eps", 1e-5))],
      ["clip.vision.feature_layer", int32s(featureLayers)],
      ["clip.vision.image_mean", float32s(numbersAt(processor, "image_mean", CLIP_MEAN))],
      ["clip.vision.image_std", float32s(numbersAt(processor, "image_std", CLIP_STD))],
    ],
    tensors: [
      ...towerTensors(tower, blocks, type, ffnSize === hiddenSize),
      ...projectorTensors(prefixes.projector ?? "", type),
    ],
  };
}

/** @param swapped whether the MLP's halves change names, see below */
function towerTensors(
  tower: string,
  blocks: number,
  type: "F16" | "F32",
  swapped: boolean,
): ConvertibleTensor[] {
  const tensor = (name: string, source: string, as: "F16" | "F32" = "F32"): ConvertibleTensor => ({
    name: `v.${name}`,
    source: `${tower}${source}`,
    type: as,
  });
  const linear = (name: string, source: string) => [
    tensor(`${name}.weight`, `${source}.weight`, type),
    tensor(`${name}.bias`, `${source}.bias`),
  ];
  const norm = (name: string, source: string) => [
    tensor(`${name}.weight`, `${source}.weight`),
    tensor(`${name}.bias`, `${source}.bias`),
  ];
  // Old files named the halves of the MLP the wrong way round. llama.cpp swaps them back where "down" takes hidden features, which it does
  // too where both are of one size: only then the old names are the right ones.
  const [up, down] = swapped ? ["ffn_down", "ffn_up"] : ["ffn_up", "ffn_down"];
  return [
    tensor("class_embd", "embeddings.class_embedding"),
    tensor("patch_embd.weight", "embeddings.patch_embedding.weight", "F16"),
    tensor("position_embd.weight", "embeddings.position_embedding.weight"),
    // The name is misspelt in the weights of the world.
    ...norm("pre_ln", "pre_layrnorm"),
    ...Array.from({ length: blocks }, (_, i) => {
      const layer = `encoder.layers.${i}`;
      return [
        ...norm(`blk.${i}.ln1`, `${layer}.layer_norm1`),
        ...linear(`blk.${i}.attn_q`, `${layer}.self_attn.q_proj`),
        ...linear(`blk.${i}.attn_k`, `${layer}.self_attn.k_proj`),
        ...linear(`blk.${i}.attn_v`, `${layer}.self_attn.v_proj`),
        ...linear(`blk.${i}.attn_out`, `${layer}.self_attn.out_proj`),
        ...norm(`blk.${i}.ln2`, `${layer}.layer_norm2`),
        ...linear(`blk.${i}.${up}`, `${layer}.mlp.fc1`),
        ...linear(`blk.${i}.${down}`, `${layer}.mlp.fc2`),
      ];
    }).flat(),
  ];
}

/** Numbered as the modules of LLaVA's own code were, with the activation between them. */
function projectorTensors(projector: string, type: "F16" | "F32"): ConvertibleTensor[] {
  return (["linear_1", "linear_2"] as const).flatMap((source, i) => [
    { name: `mm.${2 * i}.weight`, source: `${projector}${source}.weight`, type },
    { name: `mm.${2 * i}.bias`, source: `${projector}${source}.bias`, type: "F32" as const },
  ]);
}

/** Indices of hidden states, 0 the one before the first layer, as llama.cpp counts them. */
function featureLayersOf(config: Json, layerCount: number): number[] {
  const given = [config.vision_feature_layer ?? -2].flat() as number[];
  const layers = given.map((layer) => (layer < 0 ? layerCount + 1 + layer : layer));
  const ascending = layers.every((layer, i) => i === 0 || layer > (layers[i - 1] as number));
  if (ascending && (layers[0] as number) >= 0 && Math.max(...layers) <= layerCount) return layers;
  throw new GgufError(
    `vision_feature_layer is ${JSON.stringify(config.vision_feature_layer)}, and llama.cpp joins features of ascending layers among ${layerCount}`,
  );
}

function assertKnownProjector(config: Json, weights: ModelDescription["weights"]): void {
  const strategy = config.vision_feature_select_strategy ?? "default";
  if (strategy !== "default") {
    throw new GgufError(
      `vision_feature_select_strategy is ${JSON.stringify(strategy)}, and llama.cpp leaves the class token out ("default")`,
    );
  }
  const activation = config.projector_hidden_act ?? "gelu";
  if (activation !== "gelu") {
    throw new GgufError(
      `projector_hidden_act is ${JSON.stringify(activation)}, and llama.cpp's mlp has gelu`,
    );
  }
  if (!weights.some(({ role, name }) => role === "projector" && name.endsWith("linear_1.bias"))) {
    throw new GgufError("the projector has no biases, and llama.cpp's mlp has");
  }
}

function usesGelu(vision: Json): boolean {
  const activation = vision.hidden_act ?? "quick_gelu";
  if (activation === "quick_gelu" || activation === "gelu") return activation === "gelu";
  throw new GgufError(
    `hidden_act of the vision tower is ${JSON.stringify(activation)}; quick_gelu and gelu are written`,
  );
}

function numbersAt(json: Json, key: string, fallback: readonly number[]): readonly number[] {
  const value = json[key];
  return Array.isArray(value) && value.length === 3 ? (value as number[]) : fallback;
}
