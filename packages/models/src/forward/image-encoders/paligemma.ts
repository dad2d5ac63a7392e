import type { ConfigReader } from "../../config-reader.ts";
import type { ModelDescription, VisionTower } from "../../description.ts";
import { forwardPass } from "../ops.ts";
import { towerOutput } from "../vision-transformer.ts";
import { siglipTower } from "./clip-tower.ts";
import { type ImageEncoder, pixelInput } from "./image-encoder.ts";

/** PaliGemma (arXiv:2407.07726): SigLIP's patches through one linear. */
export function paligemmaImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const tower = description.visionTower as VisionTower;
  const settings = siglipTower(config.child("vision_config"));
  const { visionTower: prefix = "", projector = "" } = description.prefixes;
  return {
    deep: 0,
    pass: forwardPass({ pixels: pixelInput(settings.imageSize) }, (ops, { pixels }) => {
      const x = towerOutput(ops, tower, prefix, settings, pixels);
      return { features: ops.linear(x, `${projector}linear.weight`, `${projector}linear.bias`) };
    }),
    inputsOf: ({ pixels }) => ({ pixels }),
  };
}
