import type { ConfigReader } from "../../config-reader.ts";
import { ConfigError, type ModelDescription, type VisionTower } from "../../description.ts";
import { activationOf } from "../activation.ts";
import { type ForwardPass, forwardPass, type HostTensor, type InputSpec, type Ops } from "../ops.ts";
import { towerStates } from "../vision-transformer.ts";
import { clipTower, siglipTower } from "./clip-tower.ts";
import { type Evidence, towerEvidence } from "./evidence.ts";
import {
  countFrom,
  type ImageEncoder,
  type PictureTokens,
  type ProcessedImage,
  pixelInput,
  rowInput,
  rowTensor,
  squareLayout,
  type TokenLayout,
} from "./image-encoder.ts";
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
  const { see, tokens, size, grid } = llavaFeatures(config, description);
  const observed = (kinds: readonly Evidence[]): ForwardPass => {
    const inputs = { pixels: pixelInput(size), ...classInputs(kinds) };
    return forwardPass(inputs, (ops, given) => {
      const { features, evidence } = see(ops, given, kinds);
      return { features, ...evidence(features) };
    });
  };
  return {
    deep: 0,
    pass: observed([]),
    inputsOf: ({ pixels }) => ({ pixels }),
    ...(tokens && {
      tokens: {
        ...tokens,
        observed,
        layout: ({ pixels }: ProcessedImage) => squareLayout(pixels.shape[0] as number, grid),
      },
    }),
  };
}

/**
 * LLaVA-NeXT: the picture as a whole, then its tiles' features in the order of the rows that they make together, each row closed by
 * a learned newline.
 */
export function llavaNextImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const { see, tokens, size, grid } = llavaFeatures(config, description);
  const newline = description.weights.find(({ name }) => name.endsWith("image_newline"))?.name ?? "";
  const { hiddenSize } = description.languageModel;
  const pinpoints = config.pairs("image_grid_pinpoints", llavaNextPinpoints);
  const observed = (kinds: readonly Evidence[]): ForwardPass => {
    const inputs = { pixels: pixelInput(size), order: rowInput, ...classInputs(kinds) };
    return forwardPass(inputs, (ops, given) => {
      const seen = see(ops, given, kinds);
      const rows = ops.stack([seen.features, ops.weight(newline, [1, hiddenSize])]);
      const features = ops.takeRows(rows, given.order);
      return { features, ...seen.evidence(features) };
    });
  };
  const orderOf = ({ pixels, originalSize }: ProcessedImage) => {
    if (originalSize === undefined) throw new ConfigError("LLaVA-NeXT needs the picture's own size");
    return tileRows(originalSize, pixels.shape[0] as number, { pinpoints, size, grid });
  };
  return {
    deep: 0,
    pass: observed([]),
    inputsOf: (image) => ({ pixels: image.pixels, order: rowTensor(orderOf(image)) }),
    ...(tokens && {
      tokens: {
        ...tokens,
        observed,
        layout: (image: ProcessedImage) =>
          linesLayout(orderOf(image), (image.pixels.shape[0] as number) * grid * grid, grid),
      },
    }),
  };
}

/**
 * The whole picture's square, then lines of the tiles.
 * @param order rows of patches, and of the newline behind them
 */
function linesLayout(order: readonly number[], newline: number, side: number): TokenLayout {
  const count = side * side;
  const lines = order.slice(count);
  const tokens = [...lines.keys()].filter((i) => lines[i] !== newline).map((i) => count + i);
  const whole = squareLayout(1, side).grids;
  return {
    patches: order.map((patch) => (patch === newline ? [] : [patch])),
    grids: tokens.length === 0 ? whole : [...whole, { tokens, width: lines.indexOf(newline) }],
  };
}

/** Rows of the class tokens. */
function classInputs(kinds: readonly Evidence[]): Record<string, InputSpec> {
  return kinds.includes("classAttention") ? { classRows: rowInput } : {};
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
  const patches = Math.floor(settings.imageSize / settings.patchSize) ** 2;
  /** One in front of each tile's patches. */
  const classRowsOf = (tiles: number) => rowTensor(countFrom(0, tiles).map((tile) => tile * (patches + 1)));
  const project = <T>(ops: Ops<T>, states: T) =>
    linear(ops, ops.activate(linear(ops, states, "linear_1"), activation), "linear_2");
  const { classToken } = settings;
  const source = { depth: Math.max(...depths), tower, classToken };
  // Towers whose class token is a token of the picture too, or that lose a patch in its place, have no whole grids.
  const isWhole = dropsFirst === classToken;
  const byLayers = source.depth === 0 ? [] : (["objectAttention", "deepAttention", "keyProducts"] as const);
  const byClass = classToken && source.depth > 0 ? (["classAttention"] as const) : [];
  const states: InputSpec = { dtype: "F32", shape: [1, undefined, tower.hiddenSize * depths.length] };
  const tokens: Omit<PictureTokens, "observed" | "layout"> | undefined = isWhole
    ? {
        evidence: new Set(["featureProducts", "states", "stateProducts", ...byLayers, ...byClass]),
        classToken,
        furtherInputsOf: ({ pixels }, kinds) =>
          kinds.includes("classAttention")
            ? { classRows: classRowsOf(pixels.shape[0] as number) }
            : ({} as Record<string, HostTensor>),
        project: forwardPass({ states }, (ops, given) => ({ features: project(ops, given.states) })),
      }
    : undefined;
  return {
    size: settings.imageSize,
    /** Patches along each side. */
    grid: Math.floor(settings.imageSize / settings.patchSize),
    tokens,
    see<T>(ops: Ops<T>, given: Readonly<Record<string, T>>, kinds: readonly Evidence[]) {
      const watched = towerEvidence(ops, kinds, source);
      const pixels = given.pixels as T;
      const all = towerStates(ops, tower, towerPrefix, settings, pixels, source.depth, watched.watch);
      const chosen = depths.map((depth) => all[depth] as T);
      const states = ops.join(chosen.map((state) => (dropsFirst ? ops.tokensFrom(state, 1) : state)));
      return {
        features: project(ops, states),
        evidence: (features: T) => watched.outputs({ features, states, classRows: given.classRows }),
      };
    },
  };
}

/** Hidden states are numbered from the embeddings on; negative numbers count from the last. */
function depthOf(layer: number, { layers }: VisionTower): number {
  const depth = layer < 0 ? layers.length + 1 + layer : layer;
  if (depth >= 0 && depth <= layers.length) return depth;
  throw new ConfigError(`vision_feature_layer ${layer} is none of ${layers.length} layers`);
}
