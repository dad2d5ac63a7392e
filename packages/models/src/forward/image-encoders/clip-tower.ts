import type { ConfigReader } from "../../config-reader.ts";
import { activationOf } from "../activation.ts";
import type { TowerSettings } from "../vision-transformer.ts";

const names = {
  norm: "layer",
  layers: "encoder.layers.",
  norms: ["layer_norm1", "layer_norm2"],
} as const;

/** OpenAI's CLIP. */
export function clipTower(vision: ConfigReader): TowerSettings {
  return {
    ...names,
    activation: activationOf(vision, "hidden_act", "quick_gelu"),
    eps: vision.number("layer_norm_eps", 1e-5),
    patchSize: vision.size("patch_size", 32),
    imageSize: vision.size("image_size", 224),
    patchBias: false,
    classToken: true,
    positions: "position_embedding.weight",
    preNorm: true,
  };
}

/** SigLIP (arXiv:2303.15343): no class token, a bias at the patches. */
export function siglipTower(vision: ConfigReader, patchSize = 16): TowerSettings {
  return {
    ...names,
    activation: activationOf(vision, "hidden_act", "gelu_pytorch_tanh"),
    eps: vision.number("layer_norm_eps", 1e-6),
    patchSize: vision.size("patch_size", patchSize),
    imageSize: vision.size("image_size", 224),
    patchBias: true,
    classToken: false,
    positions: "position_embedding.weight",
    preNorm: false,
  };
}

/** ViT-g of EVA-CLIP, as BLIP-2 uses it. */
export function evaTower(vision: ConfigReader): TowerSettings {
  return {
    ...names,
    activation: activationOf(vision, "hidden_act", "gelu"),
    eps: vision.number("layer_norm_eps", 1e-6),
    patchSize: vision.size("patch_size", 14),
    imageSize: vision.size("image_size", 224),
    patchBias: true,
    classToken: true,
    positions: "position_embedding",
    preNorm: false,
  };
}
