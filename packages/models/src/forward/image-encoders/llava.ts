import type { ConfigReader } from "../../config-reader.ts";
import { ConfigError, type ModelDescription, type VisionTower } from "../../description.ts";
import { activationOf } from "../activation.ts";
import { forwardPass, type Ops } from "../ops.ts";
import { towerStates } from "../vision-transformer.ts";
import { clipTower, siglipTower } from "./clip-tower.ts";
import { type ImageEncoder, pixelInput, rowInput, rowTensor } from "./image-encoder.ts";
import { tileRows } from "./llava-next-tiles.ts";

/** Heights and widths of LLaVA-NeXT's pictures, unless a configuration tells others. */
const llavaNextPinpoints = [
  [336, 672],
  [672, 336],
  [672, 672],
  [1008, 336],
  [336, 1008],
] as const;

/** LLaVA-1.5 (arXiv:2310.03744): patches of CLIP's last layer but one, through two linears. */
export function llavaImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const { project, size } = llavaFeatures(config, description);
  return {
    deep: 0,
    pass: forwardPass({ pixels: pixelInput(size) }, (ops, { pixels }) => ({
      features: project(ops, pixels),
    })),
    inputsOf: ({ pixels }) => ({ pixels }),
  };
}

/**
 * LLaVA-NeXT: the picture as a whole, then its tiles' features in the order of the rows that they make together, each row closed by
 * a learned newline.
 */
export function llavaNextImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const { project, size, grid } = llavaFeatures(config, description);
  const newline = description.weights.find(({ name }) => name.endsWith("image_newline"))?.name ?? "";
  const { hiddenSize } = description.languageModel;
  const pinpoints = config.pairs("image_grid_pinpoints", llavaNextPinpoints);
  return {
    deep: 0,
    pass: forwardPass({ pixels: pixelInput(size), order: rowInput }, (ops, { pixels, order }) => {
      const rows = ops.stack([project(ops, pixels), ops.weight(newline, [1, hiddenSize])]);
      return { features: ops.takeRows(rows, order) };
    }),
    inputsOf({ pixels, originalSize }) {
      if (originalSize === undefined) throw new ConfigError("LLaVA-NeXT needs the picture's own size");
      const order = tileRows(originalSize, pixels.shape[0] as number, { pinpoints, size, grid });
      return { pixels, order: rowTensor(order) };
    },
  };
}

function llavaFeatures(config: ConfigReader, description: ModelDescription) {
  const vision = config.child("vision_config");
  const tower = description.visionTower as VisionTower;
  const isSiglip = vision.text("model_type", "clip_vision_model") === "siglip_vision_model";
  const settings = isSiglip ? siglipTower(vision) : clipTower(vision);
  const depths = config.numbers("vision_feature_layer", [-2]).map((layer) => depthOf(layer, tower));
  const dropsFirst = config.text("vision_feature_select_strategy", "default") === "default";
  const activation = activationOf(config, "projector_hidden_act", "gelu");
  const { visionTower: towerPrefix = "", projector = "" } = description.prefixes;
  const hasBias = config.flag("multimodal_projector_bias", true);
  const linear = <T>(ops: Ops<T>, x: T, name: string) =>
    ops.linear(x, `${projector}${name}.weight`, hasBias ? `${projector}${name}.bias` : undefined);
  return {
    size: settings.imageSize,
    /** Patches along each side. */
    grid: Math.floor(settings.imageSize / settings.patchSize),
    project<T>(ops: Ops<T>, pixels: T): T {
      const states = towerStates(ops, tower, towerPrefix, settings, pixels, Math.max(...depths));
      const chosen = depths.map((depth) => states[depth] as T);
      const features = ops.join(chosen.map((state) => (dropsFirst ? ops.tokensFrom(state, 1) : state)));
      return linear(ops, ops.activate(linear(ops, features, "linear_1"), activation), "linear_2");
    },
  };
}

/** Hidden states are numbered from the embeddings on; negative numbers count from the last. */
function depthOf(layer: number, { layers }: VisionTower): number {
  const depth = layer < 0 ? layers.length + 1 + layer : layer;
  if (depth >= 0 && depth <= layers.length) return depth;
  throw new ConfigError(`vision_feature_layer ${layer} is none of ${layers.length} layers`);
}
