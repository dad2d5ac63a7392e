import type { ConfigReader } from "../../config-reader.ts";
import { ConfigError, type ModelDescription, type VisionTower } from "../../description.ts";
import { activationOf } from "../activation.ts";
import { forwardPass, type HostTensor, type InputSpec, type Ops } from "../ops.ts";
import { axialRotarySettings, rotaryTables } from "../rotary.ts";
import { type VisionSettings, visionLayer } from "../vision-transformer.ts";
import { type Evidence, evidenceOfLayers, towerEvidence } from "./evidence.ts";
import { countFrom, type ImageEncoder, rowInput, rowTensor, type TokenLayout } from "./image-encoder.ts";
import { type Grid, known, mergedOrder, seenWithin, tableCorners, windowOrder } from "./patch-grid.ts";

const EPS = 1e-6;
/** Layer 16 of Qwen2.5-VL's 32 shows objects (arXiv:2508.00553). */
const OBJECT_DEPTH = 1 / 2;

/** Qwen2-VL (arXiv:2409.12191): patches of any number, positions by rotation, neighbours merged by fours. */
export function qwen2VlImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const vision = config.child("vision_config");
  const parts = qwenParts(vision, description);
  const settings = layerSettings("layer", activationOf(vision, "hidden_act", "quick_gelu"));
  const { tower, prefix, mergeSize } = parts;
  const observed = (kinds: readonly Evidence[]) =>
    forwardPass({ pixels: parts.pixelInput, ...parts.rotaryInputs }, (ops, { pixels, cos, sin }) => {
      const { watch, outputs } = towerEvidence(ops, kinds, parts.source);
      let x = ops.linear(pixels, `${prefix}patch_embed.proj.weight`);
      const inputs = { rotary: { cos, sin }, watch };
      for (const layer of tower.layers) x = visionLayer(ops, x, layer, prefix, settings, inputs);
      const normed = ops.layerNorm(x, EPS, `${prefix}merger.ln_q.weight`, `${prefix}merger.ln_q.bias`);
      const features = merge(ops, parts, normed, ["merger.mlp.0", "merger.mlp.2"]);
      return { features, ...outputs({ features }) };
    });
  return {
    deep: 0,
    pass: observed([]),
    tokens: { ...parts.tokens, observed, layout: ({ grid }) => mergedLayout(grid, mergeSize) },
    inputsOf: ({ pixels, grid }) => ({
      pixels: asBatch(pixels),
      ...parts.rotaryOf(mergedOrder(grid, parts.mergeSize)),
    }),
  };
}

/** Qwen2.5-VL (arXiv:2502.13923): most layers see windows only; so patches lie window by window. */
export function qwen25VlImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const vision = config.child("vision_config");
  const parts = qwenParts(vision, description);
  const settings = layerSettings("rms", activationOf(vision, "hidden_act", "silu"));
  const { tower, prefix, mergeSize } = parts;
  const fullLayers = new Set(vision.sizes("fullatt_block_indexes", [7, 15, 23, 31]));
  const windowSize = Math.floor(vision.size("window_size", 112) / mergeSize / vision.size("patch_size", 14));
  const inputs = {
    pixels: parts.pixelInput,
    ...parts.rotaryInputs,
    windows: { dtype: "F32", shape: [1, 1, undefined, undefined] },
    order: rowInput,
    back: rowInput,
  } as const;
  const observed = (kinds: readonly Evidence[]) =>
    forwardPass(inputs, (ops, { pixels, cos, sin, windows, order, back }) => {
      const { watch, outputs } = towerEvidence(ops, kinds, parts.source);
      let x = ops.takeRows(ops.linear(pixels, `${prefix}patch_embed.proj.weight`), order);
      for (const layer of tower.layers) {
        const bias = fullLayers.has(layer.index) ? undefined : windows;
        x = visionLayer(ops, x, layer, prefix, settings, { rotary: { cos, sin }, bias, watch });
      }
      const normed = ops.rmsNorm(x, `${prefix}merger.ln_q.weight`, EPS, 0);
      const merged = merge(ops, parts, normed, ["merger.mlp.0", "merger.mlp.2"]);
      const features = ops.takeRows(merged, back);
      return { features, ...outputs({ features }) };
    });
  return {
    deep: 0,
    pass: observed([]),
    tokens: {
      ...parts.tokens,
      observed,
      layout({ grid }) {
        const { grids, patches } = mergedLayout(grid, mergeSize);
        // Patches lie window by window.
        const { order } = windowOrder(grid, mergeSize, windowSize);
        const moved: (readonly number[])[] = [];
        for (const [place, token] of order.entries()) moved[token] = patches[place] as readonly number[];
        return { grids, patches: moved };
      },
    },
    inputsOf({ pixels, grid }) {
      const places = mergedOrder(grid, mergeSize);
      const { order, windows } = windowOrder(grid, mergeSize, windowSize);
      const perMerged = mergeSize * mergeSize;
      const patches = order.flatMap((merged) =>
        Array.from({ length: perMerged }, (_, i) => merged * perMerged + i),
      );
      const back = new Int32Array(order.length);
      for (const [place, merged] of order.entries()) back[merged] = place;
      return {
        pixels: asBatch(pixels),
        ...parts.rotaryOf({
          rows: patches.map((patch) => places.rows[patch] as number),
          columns: patches.map((patch) => places.columns[patch] as number),
        }),
        windows: seenWithin(windows.map((length) => length * perMerged)),
        order: rowTensor(patches),
        back: rowTensor(back),
      };
    },
  };
}

/** Qwen3-VL: learned positions besides the rotation; features of some layers join the text model's first layers. */
export function qwen3VlImageEncoder(config: ConfigReader, description: ModelDescription): ImageEncoder {
  const vision = config.child("vision_config");
  const parts = qwenParts(vision, description);
  const settings = layerSettings("layer", activationOf(vision, "hidden_act", "gelu_pytorch_tanh"));
  const { tower, prefix, mergeSize } = parts;
  const deepLayers = vision.sizes("deepstack_visual_indexes", [8, 16, 24]);
  // Whatever the order in which they are told, features come in that of the layers; one that is not there gives none.
  const deep = tower.layers.filter(({ index }) => deepLayers.includes(index)).map(({ index }) => index);
  const tableSide = Math.floor(Math.sqrt(vision.size("num_position_embeddings", 2304)));
  const inputs = {
    pixels: parts.pixelInput,
    ...parts.rotaryInputs,
    corners: { dtype: "I32", shape: [undefined, 4] },
    shares: { dtype: "F32", shape: [undefined, 4] },
  } as const;
  const observed = (kinds: readonly Evidence[]) =>
    forwardPass(inputs, (ops, { pixels, cos, sin, corners, shares }) => {
      const evidence = towerEvidence(ops, kinds, parts.source);
      const patches = ops.linear(
        pixels,
        `${prefix}patch_embed.proj.weight`,
        `${prefix}patch_embed.proj.bias`,
      );
      let x = ops.add(patches, ops.blendRows(`${prefix}pos_embed.weight`, corners, shares));
      const outputs: Record<string, typeof x> = {};
      for (const layer of tower.layers) {
        x = visionLayer(ops, x, layer, prefix, settings, { rotary: { cos, sin }, watch: evidence.watch });
        if (!deep.includes(layer.index)) continue;
        const at = `deepstack_merger_list.${deepLayers.indexOf(layer.index)}.`;
        const merged = ops.regroup(x, parts.merged);
        const normed = ops.layerNorm(merged, EPS, `${prefix}${at}norm.weight`, `${prefix}${at}norm.bias`);
        outputs[`deep${deep.indexOf(layer.index)}`] = merge(ops, parts, normed, [
          `${at}linear_fc1`,
          `${at}linear_fc2`,
        ]);
      }
      const normed = ops.layerNorm(x, EPS, `${prefix}merger.norm.weight`, `${prefix}merger.norm.bias`);
      const features = merge(ops, parts, normed, ["merger.linear_fc1", "merger.linear_fc2"]);
      return { features, ...outputs, ...evidence.outputs({ features }) };
    });
  return {
    deep: deep.length,
    pass: observed([]),
    tokens: { ...parts.tokens, observed, layout: ({ grid }) => mergedLayout(grid, mergeSize) },
    inputsOf({ pixels, grid }) {
      const places = mergedOrder(grid, mergeSize);
      return { pixels: asBatch(pixels), ...parts.rotaryOf(places), ...tableCorners(places, grid, tableSide) };
    },
  };
}

/** Tokens of merged patches, which lie together. */
function mergedLayout(grid: Grid | undefined, mergeSize: number): TokenLayout {
  const [time, height, width] = known(grid);
  const perLine = Math.floor(width / mergeSize);
  const perFrame = Math.floor(height / mergeSize) * perLine;
  const perToken = mergeSize * mergeSize;
  return {
    patches: countFrom(0, time * perFrame).map((token) => countFrom(token * perToken, perToken)),
    grids: countFrom(0, time).map((frame) => ({
      tokens: countFrom(frame * perFrame, perFrame),
      width: perLine,
    })),
  };
}

function layerSettings(norm: "layer" | "rms", activation: VisionSettings["activation"]): VisionSettings {
  return { norm, activation, eps: EPS, layers: "blocks.", norms: ["norm1", "norm2"] };
}

/** What the three have in common. */
function qwenParts(vision: ConfigReader, description: ModelDescription) {
  const tower = description.visionTower as VisionTower;
  const { visionTower: prefix = "" } = description.prefixes;
  const mergeSize = vision.size("spatial_merge_size", 2);
  const attention = tower.layers[0]?.attention;
  if (attention === undefined) throw new ConfigError("vision_config.depth of config.json must be at least 1");
  const rope = vision.child("rope_parameters");
  const rotary = axialRotarySettings(rope.number("rope_theta", 10_000), attention.headDim);
  const projection = description.weights.find(({ name }) => name === `${prefix}patch_embed.proj.weight`);
  const features = (projection?.shape ?? []).slice(1).reduce((product, size) => product * size, 1);
  const tokens: InputSpec = { dtype: "F32", shape: [undefined, attention.headDim / 2] };
  return {
    tower,
    prefix,
    mergeSize,
    source: { depth: tower.layers.length, tower, classToken: false, objectDepth: OBJECT_DEPTH },
    tokens: { evidence: evidenceOfLayers, classToken: false },
    /** Features of patches side by side that become one token. */
    merged: tower.hiddenSize * mergeSize ** 2,
    pixelInput: { dtype: "F32", shape: [1, undefined, features] } as InputSpec,
    rotaryInputs: { cos: tokens, sin: tokens },
    rotaryOf: ({
      rows,
      columns,
    }: {
      readonly rows: readonly number[];
      readonly columns: readonly number[];
    }) => rotaryTables(rotary, [Int32Array.from(rows), Int32Array.from(columns)]),
  };
}

/** Neighbours side by side through two linears. */
function merge<T>(
  ops: Ops<T>,
  { prefix, merged }: { readonly prefix: string; readonly merged: number },
  x: T,
  [first, last]: readonly [string, string],
): T {
  const linear = (input: T, name: string) =>
    ops.linear(input, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  return linear(ops.activate(linear(ops.regroup(x, merged), first), "gelu"), last);
}

function asBatch({ shape, data }: HostTensor): HostTensor {
  return { shape: [1, ...shape], data };
}
