import { convert, instantiateKernels, type Kernels, reserveMemory } from "@vlmopt/tensor-io/browser";
import { CHUNK_WEIGHTS, loadWidened, type WideningExports } from "./chunk-weights.ts";
import { largestMagnitude } from "./codebook-kernels.ts";
import { wasm } from "./generated/e2m1.wasm.ts";
import type { StoredWeights } from "./weights.ts";

/** Scales that a search tries: codes from `below` less to `above` more than the first one, inside [first, last]. */
export interface CandidateCodes {
  readonly below: number;
  readonly above: number;
  readonly first: number;
  readonly last: number;
}

/** Whole groups of one chunk, at every step from weights to codes. The steps write what the next one reads. */
export interface E2m1Kernels {
  /** One a group, by `findLargest`; infinite or NaN where a weight is. */
  readonly largest: Float32Array;
  /** One code a group. */
  readonly scales: Uint8Array;
  /** Two a byte, the earlier one in the low half. */
  readonly codes: Uint8Array;
  load(weights: StoredWeights): void;
  findLargest(groups: number): void;
  /** Replaces each group's scale by the candidate of least squared error. */
  search(groups: number, candidates: CandidateCodes): void;
  encode(groups: number): void;
}

/**
 * WebAssembly where there is SIMD, plain code elsewhere; both give the same bits. Use up what they give before the next call.
 * @param table Float32 [256]: the scale that each code is
 */
export function e2m1Kernels(groupSize: 16 | 32, table: Float32Array): E2m1Kernels {
  instance ??= instantiateKernels<E2m1Exports>(wasm);
  return instance === undefined ? plainKernels(groupSize, table) : wasmKernels(instance, groupSize, table);
}

function plainKernels(groupSize: number, table: Float32Array): E2m1Kernels {
  const weights = new Float32Array(CHUNK_WEIGHTS);
  const largest = new Float32Array(CHUNK_WEIGHTS / groupSize);
  const scales = new Uint8Array(CHUNK_WEIGHTS / groupSize);
  const codes = new Uint8Array(CHUNK_WEIGHTS / 2);
  const groupOf = (group: number) => weights.subarray(group * groupSize, (group + 1) * groupSize);
  return {
    largest,
    scales,
    codes,
    load({ dtype, bytes }) {
      convert(bytes, dtype, "F32", new Uint8Array(weights.buffer));
    },
    findLargest(groups) {
      for (let group = 0; group < groups; group++) largest[group] = largestMagnitude(groupOf(group));
    },
    search(groups, { below, above, first, last }) {
      for (let group = 0; group < groups; group++) {
        const start = scales[group] as number;
        let least = squaredError(groupOf(group), table[start] as number);
        for (let code = Math.max(first, start - below); code <= Math.min(last, start + above); code++) {
          const error = squaredError(groupOf(group), table[code] as number);
          if (!(error < least)) continue;
          least = error;
          scales[group] = code;
        }
      }
    },
    encode(groups) {
      for (let i = 0, group = 0; group < groups; group++) {
        const scale = table[scales[group] as number] as number;
        for (const end = i + groupSize; i < end; i += 2) {
          const low = codeOf((weights[i] as number) / scale);
          codes[i >> 1] = low | (codeOf((weights[i + 1] as number) / scale) << 4);
        }
      }
    },
  };
}

/** Of two equally near numbers the one whose code is even. */
function codeOf(value: number): number {
  const quotient = Math.fround(value);
  const m = Math.abs(quotient);
  const code = +(m > 0.25) + +(m >= 0.75) + +(m > 1.25) + +(m >= 1.75) + +(m > 2.5) + +(m >= 3.5) + +(m > 5);
  return quotient < 0 ? code | 8 : code;
}

/** In the order of WebAssembly's four lanes, each step rounded to float32. */
function squaredError(weights: Float32Array, scale: number): number {
  const inverse = Math.fround(1 / scale);
  const sums = new Float32Array(4);
  for (const [i, weight] of weights.entries()) {
    const m = Math.fround(Math.abs(weight) * inverse);
    const value =
      (+(m > 0.25) + +(m > 0.75) + +(m > 1.25) + +(m > 1.75)) / 2 + +(m > 2.5) + +(m > 3.5) + 2 * +(m > 5);
    const error = Math.fround(m - value);
    sums[i & 3] = (sums[i & 3] as number) + Math.fround(error * error);
  }
  const [a, b, c, d] = sums as unknown as [number, number, number, number];
  const sum = Math.fround(Math.fround(a + c) + Math.fround(b + d));
  return Math.fround(Math.fround(sum * scale) * scale);
}

interface E2m1Exports extends WideningExports {
  largest(weights: number, groups: number, groupSize: number, output: number): void;
  search(
    weights: number,
    groups: number,
    groupSize: number,
    scales: number,
    table: number,
    below: number,
    above: number,
    first: number,
    last: number,
  ): void;
  encode(
    weights: number,
    groups: number,
    groupSize: number,
    scales: number,
    table: number,
    codes: number,
  ): void;
}

let instance: Kernels<E2m1Exports> | undefined;

// Where things are in the kernels' memory, all of which is theirs: they keep no data of their own.
const WEIGHTS = 0;
const STORED = WEIGHTS + CHUNK_WEIGHTS * 4;
const LARGEST = STORED + CHUNK_WEIGHTS * 2;
const SCALES = LARGEST + (CHUNK_WEIGHTS / 16) * 4;
const CODES = SCALES + CHUNK_WEIGHTS / 16;
const TABLE = CODES + CHUNK_WEIGHTS / 2;
const MEMORY_BYTES = TABLE + 256 * 4;

function wasmKernels(kernels: Kernels<E2m1Exports>, groupSize: number, table: Float32Array): E2m1Kernels {
  reserveMemory(kernels.memory, MEMORY_BYTES);
  const { buffer } = kernels.memory;
  const bytes = new Uint8Array(buffer);
  new Float32Array(buffer, TABLE, 256).set(table);
  return {
    largest: new Float32Array(buffer, LARGEST, CHUNK_WEIGHTS / groupSize),
    scales: new Uint8Array(buffer, SCALES, CHUNK_WEIGHTS / groupSize),
    codes: new Uint8Array(buffer, CODES, CHUNK_WEIGHTS / 2),
    load: (weights) => loadWidened(kernels, bytes, weights, { target: WEIGHTS, stored: STORED }),
    findLargest: (groups) => kernels.largest(WEIGHTS, groups, groupSize, LARGEST),
    search: (groups, { below, above, first, last }) =>
      kernels.search(WEIGHTS, groups, groupSize, SCALES, TABLE, below, above, first, last),
    encode: (groups) => kernels.encode(WEIGHTS, groups, groupSize, SCALES, TABLE, CODES),
  };
}
