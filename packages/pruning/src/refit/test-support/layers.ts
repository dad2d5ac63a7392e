import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** A layer of tools/reference/pruning_refit.py, with what numpy made of it. */
export interface Layer {
  readonly name: string;
  readonly channels: number;
  readonly tokens: number;
  readonly outputs: number;
  /** `[tokens, channels]`. */
  readonly inputs: Float64Array;
  readonly mean: Float64Array;
  readonly gram: Float64Array;
  readonly weight: Float32Array;
  readonly target: { readonly cross: Float64Array; readonly squares: number; readonly mean: Float64Array };
  readonly kept: readonly number[];
  readonly compensation: Float64Array;
  readonly fits: readonly {
    readonly target: "local" | "residual";
    readonly all: boolean;
    readonly ridge: number;
    readonly bias: boolean;
    readonly weight: string;
    readonly intercept?: string;
    readonly before: number;
    readonly after: number;
  }[];
  readonly greedy: readonly {
    readonly unit: number;
    readonly keep: number;
    readonly partitions: number;
    readonly removed: readonly number[];
  }[];
}

type Stored = Omit<Layer, "inputs" | "mean" | "gram" | "weight" | "target" | "compensation"> & {
  readonly inputs: string;
  readonly weight: string;
  readonly cross: string;
  readonly squares: number;
  readonly targetMean: string;
  readonly compensation: string;
};

const bytes = (text: string) => Uint8Array.from(Buffer.from(text, "base64")).buffer;
export const doubles = (text: string) => new Float64Array(bytes(text));
export const singles = (text: string) => new Float32Array(bytes(text));

export const layers: readonly Layer[] = (
  JSON.parse(
    gunzipSync(readFileSync(new URL("../../../goldens/refit.json.gz", import.meta.url))).toString(),
  ) as Stored[]
).map((stored) => {
  const { channels, tokens } = stored;
  const inputs = Float64Array.from(new Int16Array(bytes(stored.inputs)), (value) => value / 64);
  const gram = new Float64Array(channels ** 2);
  const mean = new Float64Array(channels);
  for (let t = 0; t < tokens; t++) {
    const x = inputs.subarray(t * channels, (t + 1) * channels);
    for (const [i, a] of x.entries()) {
      mean[i] = (mean[i] as number) + a / tokens;
      for (const [j, b] of x.entries()) gram[i * channels + j] = (gram[i * channels + j] as number) + a * b;
    }
  }
  return {
    ...stored,
    inputs,
    gram,
    mean,
    weight: singles(stored.weight),
    target: { cross: doubles(stored.cross), squares: stored.squares, mean: doubles(stored.targetMean) },
    compensation: doubles(stored.compensation),
  };
});

/** Greatest distance from `expected`, as part of its greatest magnitude. */
export function distance(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let [greatest, scale] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    if (!(difference <= greatest)) greatest = difference;
    scale = Math.max(scale, Math.abs(expected[i] as number));
  }
  return greatest / scale;
}
