import type { Attention, FusedAttention, Layer, VisionTower } from "../description.ts";
import type { Activation, Ops, Rotary } from "./ops.ts";

/** How a vision transformer's layers compute. */
export interface VisionSettings {
  readonly activation: Activation;
  readonly norm: "layer" | "rms";
  readonly eps: number;
  /** What the names of a layer's two norms begin with, and of each layer: `encoder.layers.` */
  readonly layers: string;
  readonly norms: readonly [string, string];
}

/** What a layer takes besides its tokens. */
export interface LayerInputs<T> {
  readonly rotary?: Rotary<T> | undefined;
  /** Added to attention's scores. */
  readonly bias?: T | undefined;
  readonly watch?: AttentionWatch<T> | undefined;
}

/** Is told the queries and keys of each layer, as attention takes them, and what is added to their scores. */
export type AttentionWatch<T> = (layer: number, attention: WatchedAttention<T>) => void;

export interface WatchedAttention<T> {
  readonly q: T;
  readonly k: T;
  readonly heads: number;
  readonly bias: T | undefined;
}

/** One layer: x + attention(norm(x)), then x + mlp(norm(x)). */
export function visionLayer<T>(
  ops: Ops<T>,
  x: T,
  layer: Layer,
  prefix: string,
  settings: VisionSettings,
  { rotary, bias, watch }: LayerInputs<T> = {},
): T {
  const norm = (input: T, name: string) => {
    const at = `${prefix}${settings.layers}${layer.index}.${name}`;
    return settings.norm === "rms"
      ? ops.rmsNorm(input, `${at}.weight`, settings.eps, 0)
      : ops.layerNorm(input, settings.eps, `${at}.weight`, `${at}.bias`);
  };
  const [attentionNorm, mlpNorm] = settings.norms;
  const attended = ops.add(
    x,
    attend(ops, norm(x, attentionNorm), layer.attention, { rotary, bias }, (attention) =>
      watch?.(layer.index, attention),
    ),
  );
  return ops.add(attended, feedForward(ops, norm(attended, mlpNorm), layer, settings.activation));
}

function attend<T>(
  ops: Ops<T>,
  x: T,
  attention: Attention | FusedAttention,
  { rotary, bias }: LayerInputs<T>,
  watch: (attention: WatchedAttention<T>) => void,
): T {
  const { numHeads: heads, oProj } = attention;
  const linear = ({ weight, bias: b }: typeof oProj) => ops.linear(x, weight, b);
  const [q, k, v] = (
    attention.kind === "fused"
      ? ops.split(linear(attention.qkvProj), 3)
      : [linear(attention.qProj), linear(attention.kProj), linear(attention.vProj)]
  ) as [T, T, T];
  const rotated = (part: T) => (rotary === undefined ? part : ops.rotate(part, rotary, heads));
  const [queries, keys] = [rotated(q), rotated(k)];
  watch({ q: queries, k: keys, heads, bias });
  const attended = ops.attention(queries, keys, v, { heads, kvHeads: heads }, bias);
  return ops.linear(attended, oProj.weight, oProj.bias);
}

function feedForward<T>(ops: Ops<T>, x: T, { mlp }: Layer, activation: Activation): T {
  const [first, last] = mlp.kind === "gated" ? [mlp.gateProj, mlp.downProj] : [mlp.fc1, mlp.fc2];
  const opened = ops.linear(x, first.weight, first.bias);
  const hidden =
    mlp.kind === "gated"
      ? ops.gated(opened, ops.linear(x, mlp.upProj.weight, mlp.upProj.bias), activation)
      : ops.activate(opened, activation);
  return ops.linear(hidden, last.weight, last.bias);
}

/** How CLIP's, SigLIP's and ViT-g's towers begin and end. */
export interface TowerSettings extends VisionSettings {
  readonly patchSize: number;
  readonly patchBias: boolean;
  readonly classToken: boolean;
  /** ViT-g's table of positions is a bare parameter. */
  readonly positions: "position_embedding.weight" | "position_embedding";
  /** CLIP norms embeddings before the first layer. */
  readonly preNorm: boolean;
  readonly imageSize: number;
}

/**
 * Pictures `[n, channels, size, size]` before the first of the tower's layers and after each of the first `depth`:
 * `[n, patches, hiddenSize]`, the class token, where there is one, before the patches.
 */
export function towerStates<T>(
  ops: Ops<T>,
  { hiddenSize, layers }: VisionTower,
  prefix: string,
  settings: TowerSettings,
  pixels: T,
  depth: number,
  watch?: AttentionWatch<T>,
): readonly T[] {
  const { patchSize, patchBias, classToken, imageSize, positions } = settings;
  const at = `${prefix}embeddings.`;
  const bias = patchBias ? `${at}patch_embedding.bias` : undefined;
  const tokens = Math.floor(imageSize / patchSize) ** 2 + (classToken ? 1 : 0);
  let x = ops.patches(pixels, `${at}patch_embedding.weight`, patchSize, bias);
  if (classToken) x = ops.prepend(x, ops.weight(`${at}class_embedding`, [1, hiddenSize]));
  x = ops.add(x, ops.weight(`${at}${positions}`, [tokens, hiddenSize]));
  if (settings.preNorm) x = towerNorm(ops, x, `${prefix}pre_layrnorm`, settings.eps);
  const states = [x];
  for (const layer of layers.slice(0, depth)) {
    x = visionLayer(ops, x, layer, prefix, settings, { watch });
    states.push(x);
  }
  return states;
}

/** Pictures after all layers and the norm behind them. */
export function towerOutput<T>(
  ops: Ops<T>,
  tower: VisionTower,
  prefix: string,
  settings: TowerSettings,
  pixels: T,
  watch?: AttentionWatch<T>,
): T {
  const states = towerStates(ops, tower, prefix, settings, pixels, tower.layers.length, watch);
  return towerNorm(ops, states[tower.layers.length] as T, `${prefix}post_layernorm`, settings.eps);
}

function towerNorm<T>(ops: Ops<T>, x: T, name: string, eps: number): T {
  return ops.layerNorm(x, eps, `${name}.weight`, `${name}.bias`);
}
