import type { Json } from "./config-values.ts";
import type { MetadataReader } from "./metadata-reader.ts";
import type { GgufHeader } from "./read-gguf.ts";

/** A vision part of a `mmproj` file, in transformers' terms. */
export interface VisionPart {
  /** What config.json says besides the text model's part. */
  readonly config: Json;
  readonly imageProcessor: Json;
  /** Features that its projector gives. */
  readonly width: number;
  /** Of a tensor its name in transformers. */
  place(name: string): string;
  /** Of the norm after the last layer, which the file leaves out and nothing reads: how wide it is. */
  readonly hiddenSize: number;
}

const embeddingNames: Readonly<Record<string, string>> = {
  class_embd: "embeddings.class_embedding",
  "patch_embd.weight": "embeddings.patch_embedding.weight",
  "position_embd.weight": "embeddings.position_embedding.weight",
  // The name is misspelt in the weights of the world.
  "pre_ln.weight": "pre_layrnorm.weight",
  "pre_ln.bias": "pre_layrnorm.bias",
  "post_ln.weight": "post_layernorm.weight",
  "post_ln.bias": "post_layernorm.bias",
};
const layerNames: Readonly<Record<string, string>> = {
  ln1: "layer_norm1",
  attn_q: "self_attn.q_proj",
  attn_k: "self_attn.k_proj",
  attn_v: "self_attn.v_proj",
  attn_out: "self_attn.out_proj",
  ln2: "layer_norm2",
};
const projectorNames: Readonly<Record<string, string>> = { "0": "linear_1", "2": "linear_2" };

/**
 * CLIP and the two-layer projector of LLaVA-1.5, as `clipModel` writes them.
 * @throws {GgufError} for other vision parts
 */
export function visionPart({ tensors }: GgufHeader, metadata: MetadataReader): VisionPart {
  const projector = metadata.text("clip.projector_type", "mlp");
  if (projector !== "mlp" || !tensors.has("mm.2.weight") || !tensors.has("v.class_embd")) {
    throw metadata.error(
      `is a vision part with the projector "${projector}", and CLIP with LLaVA-1.5's "mlp" is read`,
      "name the text model's file, beside which no mmproj file lies, to ask it without pictures",
    );
  }
  const clip = metadata.at("clip.vision.");
  const layers = clip.number("block_count");
  const hiddenSize = clip.number("embedding_length");
  const features = clip.numbers("feature_layer", [layers]);
  // Old files name the halves of the MLP the wrong way round: "down" then takes features of the stream.
  const downShape = tensors.get("v.blk.0.ffn_down.weight")?.shape ?? [];
  const isSwapped = downShape[1] === hiddenSize;
  const mlp: Readonly<Record<string, string>> = isSwapped
    ? { ffn_down: "mlp.fc1", ffn_up: "mlp.fc2" }
    : { ffn_up: "mlp.fc1", ffn_down: "mlp.fc2" };
  const size = clip.number("image_size");
  return {
    hiddenSize,
    width: tensors.get("mm.2.weight")?.shape[0] ?? 0,
    config: {
      architectures: ["LlavaForConditionalGeneration"],
      model_type: "llava",
      vision_feature_layer: features.length === 1 ? (features[0] as number) : features,
      vision_feature_select_strategy: "default",
      projector_hidden_act: "gelu",
      multimodal_projector_bias: tensors.has("mm.0.bias"),
      vision_config: {
        model_type: "clip_vision_model",
        hidden_act: metadata.flag("clip.use_gelu", false) ? "gelu" : "quick_gelu",
        hidden_size: hiddenSize,
        intermediate_size: clip.number("feed_forward_length"),
        num_hidden_layers: layers,
        num_attention_heads: clip.number("attention.head_count"),
        image_size: size,
        patch_size: clip.number("patch_size"),
        layer_norm_eps: clip.number("attention.layer_norm_epsilon"),
        projection_dim: clip.number("projection_dim", 0),
      },
    },
    imageProcessor: {
      image_processor_type: "CLIPImageProcessor",
      do_convert_rgb: true,
      do_resize: true,
      size: { shortest_edge: size },
      resample: 3,
      do_center_crop: true,
      crop_size: { height: size, width: size },
      do_rescale: true,
      rescale_factor: 1 / 255,
      do_normalize: true,
      image_mean: clip.numbers("image_mean"),
      image_std: clip.numbers("image_std"),
    },
    place(name) {
      const [, layer, part = "", suffix] = /^v\.blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
      const inLayer = layer === undefined ? undefined : { ...layerNames, ...mlp }[part];
      const tower = "vision_tower.vision_model.";
      if (inLayer !== undefined) return `${tower}encoder.layers.${layer}.${inLayer}.${suffix}`;
      const embedding = name.startsWith("v.") ? embeddingNames[name.slice(2)] : undefined;
      if (embedding !== undefined) return tower + embedding;
      const [, number = "", end] = /^mm\.(\d)\.(weight|bias)$/.exec(name) ?? [];
      const linear = projectorNames[number];
      if (linear !== undefined) return `multi_modal_projector.${linear}.${end}`;
      throw metadata.error(`tensor "${name}" has no place in CLIP with LLaVA-1.5's projector`);
    },
  };
}
