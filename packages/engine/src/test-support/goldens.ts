import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

/** What transformers computed of a checkpoint in fixtures/checkpoints (tools/reference/engine_models.py). */
export interface ModelGolden {
  readonly ids: readonly number[];
  /** Of every position, `[vocabSize]`. */
  readonly logits: readonly (readonly number[])[];
  readonly greedy: readonly number[];
  /** Shape of the pixels, which `goldenPixels` makes. */
  readonly pixels?: readonly number[];
  readonly grids?: readonly (readonly [number, number, number])[];
  readonly size?: readonly [number, number];
}

export function readGolden<T>(name: string): T {
  const bytes = readFileSync(new URL(`../../goldens/${name}.json.gz`, import.meta.url));
  return JSON.parse(gunzipSync(bytes).toString()) as T;
}

export const modelGoldens = readGolden<Record<string, ModelGolden[]>>("models");

export function fixture(name: string): string {
  return new URL(`../../../../fixtures/checkpoints/${name}`, import.meta.url).pathname;
}

export function encoderFixture(name: string): string {
  return new URL(`../../../../fixtures/encoders/${name}`, import.meta.url).pathname;
}

/** The same numbers from −1 to 1 as in the script. */
export function goldenPixels(shape: readonly number[]): Float32Array {
  const count = shape.reduce((product, size) => product * size, 1);
  return Float32Array.from({ length: count }, (_, i) =>
    Math.fround(Math.fround((i * 7919) % 256) / Math.fround(127.5) - 1),
  );
}

export function vlmGolden(name: string): string {
  return new URL(`../../goldens/vlms/${name}`, import.meta.url).pathname;
}
