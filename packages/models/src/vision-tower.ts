import type { ConfigReader } from "./config-reader.ts";
import type { Layer, VisionTower } from "./description.ts";
import { separateAttention } from "./separate-attention.ts";
import type { WeightScope } from "./weight-list.ts";

/** What sets the CLIP-like towers apart, and what their configurations may leave out. */
export interface VisionTraits {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly imageSize: number;
  readonly patchSize: number;
  /** CLIP: a class embedding, a norm before the layers, no bias at the patch convolution. */
  readonly clip: boolean;
}

/** OpenAI's CLIP, as LLaVA uses it. */
export const clip: VisionTraits = {
  hiddenSize: 768,
  intermediateSize: 3072,
  layers: 12,
  heads: 12,
  imageSize: 224,
  patchSize: 32,
  clip: true,
};

/** SigLIP, as PaliGemma and SmolVLM use it. */
export const siglip: VisionTraits = { ...clip, patchSize: 16, clip: false };

/** CLIP's and SigLIP's vision transformers: separate q, k, v with biases, a plain MLP, two norms a layer. */
export function describeVisionTower(
  tower: WeightScope,
  config: ConfigReader,
  traits: VisionTraits,
): VisionTower {
  const hiddenSize = config.size("hidden_size", traits.hiddenSize);
  const intermediateSize = config.size("intermediate_size", traits.intermediateSize);
  const numHeads = config.size("num_attention_heads", traits.heads);
  const patchSize = config.size("patch_size", traits.patchSize);
  const patches = Math.floor(config.size("image_size", traits.imageSize) / patchSize) ** 2;

  const channels = config.size("num_channels", 3);
  tower.weight("patchEmbedding", "embeddings.patch_embedding.weight", [
    hiddenSize,
    channels,
    patchSize,
    patchSize,
  ]);
  if (!traits.clip) tower.weight("patchEmbedding", "embeddings.patch_embedding.bias", [hiddenSize]);
  if (traits.clip) tower.weight("embedding", "embeddings.class_embedding", [hiddenSize]);
  const positions = patches + (traits.clip ? 1 : 0);
  tower.weight("positionEmbedding", "embeddings.position_embedding.weight", [positions, hiddenSize]);
  // The name is misspelt in the weights of the world.
  if (traits.clip) tower.norm("pre_layrnorm", hiddenSize, true);
  const layers = clipLayers(tower, config.size("num_hidden_layers", traits.layers), {
    hiddenSize,
    intermediateSize,
    numHeads,
  });
  tower.norm("post_layernorm", hiddenSize, true);
  return { hiddenSize, layers };
}

/** Layers of CLIP's and SigLIP's transformers, of pictures and of texts. */
export function clipLayers(
  tower: WeightScope,
  count: number,
  {
    hiddenSize,
    intermediateSize,
    numHeads,
  }: { readonly hiddenSize: number; readonly intermediateSize: number; readonly numHeads: number },
): readonly Layer[] {
  return Array.from({ length: count }, (_, index): Layer => {
    const layer = tower.at(`encoder.layers.${index}.`, index);
    const attention = separateAttention(layer, hiddenSize, numHeads, true);
    const fc1 = layer.linear("fc1", "mlp.fc1", intermediateSize, hiddenSize, true);
    const fc2 = layer.linear("fc2", "mlp.fc2", hiddenSize, intermediateSize, true);
    for (const name of ["layer_norm1", "layer_norm2"]) layer.norm(name, hiddenSize, true);
    return { index, attention, mlp: { kind: "plain", fc1, fc2 }, weights: layer.names() };
  });
}
