import type { CacheSpec } from "@vlmopt/models";
import { type CacheStep, type KvCache, tokenBytes } from "../executor.ts";
import { MASKED, type Tensor, type TensorFlow, tensorOf } from "./tensorflow.ts";

/** Keys and values of a layer, in blocks one behind the other: `[batch, kvHeads, of the block, headDim]`. */
export interface LayerBlocks {
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
}

/**
 * Tensors of TensorFlow.js cannot be written to, so tokens are kept in the order in which they came, padding among them: the first block
 * grows rarely, by the second, which grows with every token.
 */
export interface TfjsCache extends KvCache {
  readonly layers: LayerBlocks[];
  /** Of each sequence, the position of each token kept; −1 of padding. */
  readonly positions: readonly number[][];
}

/** Tokens of the second block, at most. */
const SECOND_BLOCK = 64;

export function tfjsCache(spec: CacheSpec, batch: number, capacity: number): TfjsCache {
  const kept: LayerBlocks[] = spec.layers.map(() => ({ keys: [], values: [] }));
  return {
    batch,
    capacity,
    lengths: new Int32Array(batch),
    bytesPerToken: tokenBytes(spec, 4),
    layers: kept,
    positions: Array.from({ length: batch }, () => []),
    release() {
      for (const [layer, { keys, values }] of kept.entries()) {
        for (const tensor of [...keys, ...values]) tensor.dispose();
        kept[layer] = { keys: [], values: [] };
      }
    },
  };
}

/** What attention needs to know of a step, and tells it. */
export interface TfjsStep {
  earlier(layer: number): LayerBlocks;
  /**
   * What is added to the scores of what a token does not see, `[batch, 1, tokens, all]`; undefined where all see all.
   * @param tokens new ones of each sequence, padding counted
   */
  visible(tokens: number, window: number | undefined): Tensor | undefined;
  /** The same by a bias over positions, `[batch, 1, tokens, capacity]`. */
  visibleBy(bias: Tensor): Tensor;
  keep(layer: number, added: LayerBlocks): void;
  /** Notes that the step's tokens are there now. */
  end(): void;
}

export function cacheStep(tf: TensorFlow, { cache, added }: CacheStep): TfjsStep {
  const { layers, lengths, positions, batch } = cache as TfjsCache;
  const masks = new Map<number | undefined, Tensor | undefined>();
  let placed: readonly (readonly number[])[] | undefined;
  /** Positions of the tokens kept and of the new ones. */
  const placesOf = (tokens: number) => {
    placed ??= positions.map((earlier, n) => {
      const [past, count] = [lengths[n] as number, added[n] as number];
      return [...earlier, ...Array.from({ length: tokens }, (_, i) => (i < count ? past + i : -1))];
    });
    return placed;
  };
  return {
    earlier: (layer) => layers[layer] as LayerBlocks,
    visible(tokens, window) {
      if (!masks.has(window)) {
        const mask = causalMask(placesOf(tokens), lengths, tokens, window);
        masks.set(window, mask && tensorOf(tf, mask));
      }
      return masks.get(window);
    },
    visibleBy(bias) {
      const places = placesOf(bias.shape[2] as number);
      const all = places[0]?.length ?? 0;
      const inOrder = places.every((own) => own.every((position, slot) => position === slot));
      if (inOrder) return tf.slice(bias, [0, 0, 0, 0], [-1, -1, -1, all]);
      const columns = Int32Array.from(places.flat(), (position) => Math.max(position, 0));
      const padding = Float32Array.from(places.flat(), (position) => (position < 0 ? MASKED : 0));
      const byColumn = tf.transpose(bias, [0, 3, 1, 2]);
      const found = tf.gather(byColumn, tf.tensor2d(columns, [batch, all], "int32"), 1, 1);
      return tf.add(tf.transpose(found, [0, 2, 3, 1]), tf.tensor4d(padding, [batch, 1, 1, all]));
    },
    keep(layer, { keys, values }) {
      const old = layers[layer] as LayerBlocks;
      layers[layer] = {
        keys: appended(tf, old.keys, keys[0] as Tensor),
        values: appended(tf, old.values, values[0] as Tensor),
      };
    },
    end() {
      for (const [n, own] of positions.entries()) {
        const places = placed?.[n] ?? own;
        for (const place of places.slice(own.length)) own.push(place);
        lengths[n] = (lengths[n] as number) + (added[n] as number);
      }
    },
  };
}

/** Blocks with one more; what they replace is disposed of. */
function appended(tf: TensorFlow, blocks: readonly Tensor[], block: Tensor): readonly Tensor[] {
  const [first, second] = blocks;
  if (first === undefined) return [tf.keep(block)];
  const tail = second === undefined ? block : tf.concat([second, block], 2);
  second?.dispose();
  if ((tail.shape[2] as number) <= SECOND_BLOCK) return [first, tf.keep(tail)];
  const merged = tf.keep(tf.concat([first, tail], 2));
  first.dispose();
  return [merged];
}

function causalMask(
  placed: readonly (readonly number[])[],
  lengths: Int32Array,
  tokens: number,
  window: number | undefined,
) {
  const all = placed[0]?.length ?? 0;
  const data = new Float32Array(placed.length * tokens * all);
  let hides = false;
  for (const [n, own] of placed.entries()) {
    for (let token = 0; token < tokens; token++) {
      const last = (lengths[n] as number) + token;
      const first = window === undefined ? 0 : Math.max(0, last - window + 1);
      for (const [slot, position] of own.entries()) {
        if (position >= first && position <= last) continue;
        data[(n * tokens + token) * all + slot] = MASKED;
        hides = true;
      }
    }
  }
  return hides ? { shape: [placed.length, 1, tokens, all], data } : undefined;
}
