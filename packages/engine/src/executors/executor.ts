// What every way of running a model offers. A pass is prepared once, which may take long, and run often; tensors that it gives back
// stay where they were computed until somebody reads them, and may go into another pass unread.
import type { CacheSpec, ForwardPass, HostTensor } from "@vlmopt/models";
import type { ModelWeights } from "../weights/model-weights.ts";

export interface Executor {
  readonly name: string;
  prepare(pass: ForwardPass, weights: ModelWeights): Promise<PreparedPass>;
  /** Room for the keys and values of so many sequences of so many tokens. */
  createCache(spec: CacheSpec, batch: number, capacity: number): KvCache;
  /** Features of several pictures one after the other: `[1, rows, features]` each. */
  stack(parts: readonly DeviceTensor[], features: number): Promise<DeviceTensor>;
}

export interface PreparedPass {
  /** @param step of passes that attend to earlier tokens */
  run(
    inputs: Readonly<Record<string, HostTensor | DeviceTensor>>,
    step?: CacheStep,
  ): Promise<Readonly<Record<string, DeviceTensor>>>;
  release(): Promise<void>;
}

export interface CacheStep {
  readonly cache: KvCache;
  /** New tokens of each sequence, without padding. */
  readonly added: readonly number[];
}

export interface KvCache {
  readonly batch: number;
  readonly capacity: number;
  /** Tokens of each sequence so far; a pass that ran has added its own. */
  readonly lengths: Int32Array;
}

/** A tensor of F32 where it was computed. */
export interface DeviceTensor {
  readonly shape: readonly number[];
  read(): Promise<Float32Array>;
}

export function isDeviceTensor(tensor: HostTensor | DeviceTensor): tensor is DeviceTensor {
  return "read" in tensor;
}
