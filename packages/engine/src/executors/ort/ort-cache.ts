import type { CacheSpec } from "@vlmopt/models";
import { type KvCache, tokenBytes } from "../executor.ts";

/** Keys and values of earlier tokens, on the host: passes read them where they lie, and give back those of new tokens alone. */
export interface OrtCache extends KvCache {
  /** Tokens of each sequence for which there is room by now. */
  readonly room: number;
  readonly layers: readonly LayerCache[];
  /** Takes a layer's new rows `[batch, tokens, kvHeads · headDim]`, of which the first `added` of each sequence count. */
  append(layer: number, keys: Float32Array, values: Float32Array, added: readonly number[]): void;
  /** Makes room for so many tokens of each sequence, and some more, since what has no token yet is computed with too. */
  reserve(tokens: number): void;
}

/** `[batch, kvHeads, room, headDim]` each. */
export interface LayerCache {
  readonly shape: readonly [number, number, number, number];
  readonly keys: Float32Array;
  readonly values: Float32Array;
}

const FIRST_ROOM = 16;
const SPARE = 1.25;

export function ortCache(spec: CacheSpec, batch: number, capacity: number): OrtCache {
  const { layers: sizes } = spec;
  const lengths = new Int32Array(batch);
  const empty = (tokens: number): LayerCache[] =>
    sizes.map(({ kvHeads, headDim }) => {
      const zeros = () => new Float32Array(batch * kvHeads * tokens * headDim);
      return { shape: [batch, kvHeads, tokens, headDim], keys: zeros(), values: zeros() };
    });
  let room = Math.min(FIRST_ROOM, capacity);
  let layers = empty(room);
  return {
    batch,
    capacity,
    lengths,
    bytesPerToken: tokenBytes(spec, 4),
    get room() {
      return room;
    },
    get layers() {
      return layers;
    },
    append(layer, keys, values, added) {
      const cache = layers[layer] as LayerCache;
      appendRows(cache.keys, cache.shape, keys, lengths, added);
      appendRows(cache.values, cache.shape, values, lengths, added);
    },
    reserve(tokens) {
      if (tokens > capacity) {
        throw new RangeError(`the cache holds ${capacity} tokens of a sequence, and ${tokens} are to go in`);
      }
      if (tokens <= room) return;
      const earlier = layers;
      const [from, to] = [room, Math.min(capacity, Math.ceil(SPARE * tokens))];
      room = to;
      layers = empty(to);
      earlier.forEach(({ shape: [, kvHeads, , headDim], keys, values }, layer) => {
        const cache = layers[layer] as LayerCache;
        for (let head = 0; head < batch * kvHeads; head++) {
          const [start, end] = [head * from * headDim, (head + 1) * from * headDim];
          cache.keys.set(keys.subarray(start, end), head * to * headDim);
          cache.values.set(values.subarray(start, end), head * to * headDim);
        }
      });
    },
  };
}

function appendRows(
  cache: Float32Array,
  [batch, kvHeads, room, headDim]: LayerCache["shape"],
  rows: Float32Array,
  lengths: Int32Array,
  added: readonly number[],
): void {
  const features = kvHeads * headDim;
  const tokens = rows.length / (batch * features);
  for (let n = 0; n < batch; n++) {
    const length = lengths[n] as number;
    for (let token = 0; token < (added[n] as number); token++) {
      for (let head = 0; head < kvHeads; head++) {
        const from = (n * tokens + token) * features + head * headDim;
        const to = ((n * kvHeads + head) * room + length + token) * headDim;
        cache.set(rows.subarray(from, from + headDim), to);
      }
    }
  }
}
