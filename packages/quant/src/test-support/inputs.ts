import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { fromFloat32 } from "@vlmopt/tensor-io";
import type { FloatDtype, StoredWeights } from "../weights.ts";

/** The inputs of tools/reference/quant_inputs.py, which says what they are. */
export function bell(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) / 2 ** 24 - 0.5;
  };
  return Float32Array.from(
    { length: count },
    (_, i) => (uniform() + uniform() + uniform() + uniform()) * 2 ** -(Math.floor(i / 97) % 4),
  );
}

export function bellOf(dtype: FloatDtype, count: number, seed: number): StoredWeights {
  return { dtype, bytes: fromFloat32(bell(count, seed), dtype) };
}

export function patternsBelow(dtype: "F16" | "BF16", largest: number, block: number): StoredWeights {
  const patterns = Array.from({ length: 2 * (largest + 1) }, (_, i) =>
    i <= largest ? i : (i - largest - 1) | 0x8000,
  );
  const rows = Math.ceil(patterns.length / (block - 1));
  const bits = new Uint16Array(rows * block);
  for (let row = 0; row < rows; row++) {
    bits[row * block] = largest;
    bits.set(patterns.slice(row * (block - 1), (row + 1) * (block - 1)), row * block + 1);
  }
  return { dtype, bytes: new Uint8Array(bits.buffer) };
}

/** A golden of packages/quant/goldens. */
export function golden<T>(name: string): T {
  const file = readFileSync(new URL(`../../goldens/${name}.json.gz`, import.meta.url));
  return JSON.parse(gunzipSync(file).toString()) as T;
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}

export function floatsFromBase64(text: string): Float32Array {
  return new Float32Array(fromBase64(text).buffer);
}

/** Normally distributed weights, by Box and Muller's transform. */
export function gaussian(count: number, seed: number): Float32Array {
  const random = uniforms(seed);
  return Float32Array.from({ length: count }, () => normal(random));
}

/** Weights of Student's t-distribution with 5 degrees of freedom: heavier tails, as real weights have. */
export function student5(count: number, seed: number): Float32Array {
  const random = uniforms(seed);
  return Float32Array.from({ length: count }, () => {
    let squares = 0;
    for (let i = 0; i < 5; i++) squares += normal(random) ** 2;
    return normal(random) / Math.sqrt(squares / 5);
  });
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Mulberry32. */
function uniforms(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Σ (weight − decoded)² / Σ weight². */
export function relativeSquaredError(weights: Float32Array, decoded: Uint8Array): number {
  const values = new Float32Array(decoded.buffer, decoded.byteOffset, weights.length);
  let error = 0;
  let energy = 0;
  for (const [i, weight] of weights.entries()) {
    error += (weight - (values[i] as number)) ** 2;
    energy += weight ** 2;
  }
  return error / energy;
}
