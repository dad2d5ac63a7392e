import type { ConfigReader } from "../../config-reader.ts";
import type { ModelDescription, VisionTower } from "../../description.ts";
import { forwardPass } from "../ops.ts";
import { towerOutput } from "../vision-transformer.ts";
import { siglipTower } from "./clip-tower.ts";
import { type Evidence, evidenceOfLayers, towerEvidence } from "./evidence.ts";
import { type ImageEncoder, pixelInput, squareLayout } from "./image-encoder.ts";

/** PaliGemma (arXiv:2407.07726): SigLIP's patches through one linear. */
export function paligemmaImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const tower = description.visionTower as VisionTower;
  const settings = siglipTower(config.child("vision_config"));
  const { visionTower: prefix = "", projector = "" } = description.prefixes;
  const side = Math.floor(settings.imageSize / settings.patchSize);
  const source = { depth: tower.layers.length, tower, classToken: false };
  const observed = (kinds: readonly Evidence[]) =>
    forwardPass({ pixels: pixelInput(settings.imageSize) }, (ops, { pixels }) => {
      const evidence = towerEvidence(ops, kinds, source);
      const x = towerOutput(ops, tower, prefix, settings, pixels, evidence.watch);
      const features = ops.linear(x, `${projector}linear.weight`, `${projector}linear.bias`);
      return { features, ...evidence.outputs({ features }) };
    });
  return {
    deep: 0,
    pass: observed([]),
    inputsOf: ({ pixels }) => ({ pixels }),
    tokens: {
      evidence: evidenceOfLayers,
      observed,
      classToken: false,
      layout: ({ pixels }) => squareLayout(pixels.shape[0] as number, side),
    },
  };
}
