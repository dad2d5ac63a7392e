import type { ConfigReader } from "../../config-reader.ts";
import type { ModelDescription, VisionTower } from "../../description.ts";
import { forwardPass } from "../ops.ts";
import { towerOutput } from "../vision-transformer.ts";
import { siglipTower } from "./clip-tower.ts";
import { type Evidence, evidenceOfLayers, towerEvidence } from "./evidence.ts";
import { countFrom, type ImageEncoder, pixelInput, rowInput, rowTensor } from "./image-encoder.ts";

/** Idefics3 (arXiv:2408.12637) and SmolVLM: SigLIP's patches, neighbours side by side as one, through one linear. */
export function idefics3ImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const tower = description.visionTower as VisionTower;
  const settings = siglipTower(config.child("vision_config"), 32);
  const { visionTower: prefix = "", projector = "" } = description.prefixes;
  const side = Math.floor(settings.imageSize / settings.patchSize);
  const scale = config.size("scale_factor", 2);
  const source = { depth: tower.layers.length, tower, classToken: false };
  const observed = (kinds: readonly Evidence[]) =>
    forwardPass({ pixels: pixelInput(settings.imageSize), order: rowInput }, (ops, { pixels, order }) => {
      const evidence = towerEvidence(ops, kinds, source);
      const x = towerOutput(ops, tower, prefix, settings, pixels, evidence.watch);
      const shuffled = ops.regroup(ops.takeRows(x, order), tower.hiddenSize * scale ** 2);
      const features = ops.linear(shuffled, `${projector}modality_projection.proj.weight`);
      return { features, ...evidence.outputs({ features }) };
    });
  const orderOf = (tiles: number) => blocks(tiles * side, side, scale);
  return {
    deep: 0,
    pass: observed([]),
    inputsOf: ({ pixels }) => ({ pixels, order: rowTensor(orderOf(pixels.shape[0] as number)) }),
    tokens: {
      evidence: evidenceOfLayers,
      observed,
      classToken: false,
      layout({ pixels }) {
        const tiles = pixels.shape[0] as number;
        const order = orderOf(tiles);
        const width = Math.floor(side / scale);
        const [each, perToken] = [width * width, scale * scale];
        return {
          patches: countFrom(0, tiles * each).map((token) =>
            order.slice(token * perToken, (token + 1) * perToken),
          ),
          grids: countFrom(0, tiles).map((tile) => ({ tokens: countFrom(tile * each, each), width })),
        };
      },
    },
  };
}

/** Numbers of a grid's places, block by block of `scale` × `scale`. */
export function blocks(rows: number, columns: number, scale: number): number[] {
  const order: number[] = [];
  for (let y = 0; y < rows; y += scale) {
    for (let x = 0; x < columns; x += scale) {
      for (let dy = 0; dy < scale; dy++) {
        for (let dx = 0; dx < scale; dx++) order.push((y + dy) * columns + x + dx);
      }
    }
  }
  return order;
}
