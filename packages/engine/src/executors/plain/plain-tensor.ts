import type { CacheSpec } from "@vlmopt/models";
import { type KvCache, tokenBytes } from "../executor.ts";

/** Row-major. */
export interface PlainTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}

export interface PlainCache extends KvCache {
  /** Of each layer `[batch, capacity, kvHeads · headDim]`. */
  readonly keys: readonly Float32Array[];
  readonly values: readonly Float32Array[];
}

export function plainCache(spec: CacheSpec, batch: number, capacity: number): PlainCache {
  const { layers } = spec;
  const empty = () =>
    layers.map(({ kvHeads, headDim }) => new Float32Array(batch * capacity * kvHeads * headDim));
  return {
    batch,
    capacity,
    lengths: new Int32Array(batch),
    keys: empty(),
    values: empty(),
    bytesPerToken: tokenBytes(spec, 4),
  };
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Size of the last axis. */
export function featuresOf({ shape }: PlainTensor): number {
  return shape.at(-1) ?? 1;
}

/** How many vectors of the last axis there are. */
export function rowsOf({ shape }: PlainTensor): number {
  return sizeOf(shape.slice(0, -1));
}

/** Row `row` of the last axis, as a view. */
export function rowAt({ data, shape }: PlainTensor, row: number): Float32Array {
  const features = shape.at(-1) ?? 1;
  return (data as Float32Array).subarray(row * features, (row + 1) * features);
}
