import { convert, instantiateKernels, type Kernels, reserveMemory } from "@vlmopt/tensor-io/browser";
import { candidateShares, candidateThresholds, fixedPointValues, searchScale } from "./absmax-search.ts";
import { CHUNK_WEIGHTS, loadWidened, type WideningExports } from "./chunk-weights.ts";
import { type Codebook, rankOf } from "./codebook.ts";
import { wasm } from "./generated/codebook.wasm.ts";
import type { StoredWeights } from "./weights.ts";

/** Whole blocks of one chunk, at every step from weights to codes. The steps write what the next one reads. */
export interface CodebookKernels {
  readonly weights: Float32Array;
  /** One a block. */
  readonly scales: Float32Array;
  /** Two a byte, the earlier one in the high half. */
  readonly codes: Uint8Array;
  load(weights: StoredWeights): void;
  /** Makes each block's scale its largest magnitude; infinite or NaN where a weight is. */
  absmax(blocks: number): void;
  /** Makes each block's scale, until now its absmax, the one of least squared error. */
  search(blocks: number): void;
  encode(blocks: number): void;
}

/** WebAssembly where there is SIMD, plain code elsewhere; both give the same bits. Use up what they give before the next call. */
export function codebookKernels(codebook: Codebook, blockSize: number): CodebookKernels {
  const kernels = instantiate();
  return kernels === undefined
    ? plainKernels(codebook, blockSize)
    : wasmKernels(kernels, codebook, blockSize);
}

/** What brings weights of that scale into [−1, 1]; bitsandbytes' clamp of the divisor at 1e-38. */
export function factorOf(scale: number): number {
  return Math.fround(1 / (Math.abs(scale) >= SMALLEST ? scale : SMALLEST));
}

const SMALLEST = Math.fround(1e-38);

function plainKernels(codebook: Codebook, blockSize: number): CodebookKernels {
  const weights = new Float32Array(CHUNK_WEIGHTS);
  const scales = new Float32Array(CHUNK_WEIGHTS / blockSize);
  const codes = new Uint8Array(CHUNK_WEIGHTS / 2);
  const grid = candidateThresholds(codebook, blockSize);
  const values = fixedPointValues(codebook);
  const { order, thresholds } = codebook;
  const blockOf = (block: number) => weights.subarray(block * blockSize, (block + 1) * blockSize);
  return {
    weights,
    scales,
    codes,
    load({ dtype, bytes }) {
      convert(bytes, dtype, "F32", new Uint8Array(weights.buffer));
    },
    absmax(blocks) {
      for (let block = 0; block < blocks; block++) scales[block] = largestMagnitude(blockOf(block));
    },
    search(blocks) {
      for (let block = 0; block < blocks; block++)
        scales[block] = searchScale(blockOf(block), scales[block] as number, grid, values);
    },
    encode(blocks) {
      for (let i = 0, block = 0; block < blocks; block++) {
        const factor = factorOf(scales[block] as number);
        for (const end = i + blockSize; i < end; i += 2) {
          const first = order[rankOf(Math.fround((weights[i] as number) * factor), thresholds)] as number;
          const second = order[
            rankOf(Math.fround((weights[i + 1] as number) * factor), thresholds)
          ] as number;
          codes[i >> 1] = (first << 4) | second;
        }
      }
    },
  };
}

/** NaN where a weight is NaN. */
export function largestMagnitude(weights: Float32Array): number {
  let largest = 0;
  for (const weight of weights) {
    const magnitude = Math.abs(weight);
    if (!(magnitude <= largest)) largest = magnitude;
    if (Number.isNaN(largest)) break;
  }
  return largest;
}

interface CodebookExports extends WideningExports {
  absmax(weights: number, blocks: number, blockSize: number, scales: number): void;
  encode(
    weights: number,
    blocks: number,
    blockSize: number,
    scales: number,
    thresholds: number,
    order: number,
    codes: number,
  ): void;
  search(
    weights: number,
    blocks: number,
    blockSize: number,
    scales: number,
    grid: number,
    candidates: number,
    values: number,
    scratch: number,
  ): void;
}

let instance: Kernels<CodebookExports> | undefined;

function instantiate(): Kernels<CodebookExports> | undefined {
  instance ??= instantiateKernels<CodebookExports>(wasm);
  return instance;
}

// Where things are in the kernels' memory, all of which is theirs: they keep no data of their own.
const WEIGHTS = 0;
const STORED = WEIGHTS + CHUNK_WEIGHTS * 4;
const SCALES = STORED + CHUNK_WEIGHTS * 2;
const CODES = SCALES + (CHUNK_WEIGHTS / 32) * 4;
const THRESHOLDS = CODES + CHUNK_WEIGHTS / 2;
const ORDER = THRESHOLDS + 15 * 16;
const VALUES = ORDER + 16;
const SCRATCH = VALUES + 32;
const GRID = SCRATCH + 4096 * 2;
const MEMORY_BYTES = GRID + 31 * 15 * 16;

function wasmKernels(
  kernels: Kernels<CodebookExports>,
  codebook: Codebook,
  blockSize: number,
): CodebookKernels {
  const { memory } = kernels;
  reserveMemory(memory, MEMORY_BYTES);
  const { buffer } = memory;
  const bytes = new Uint8Array(buffer);
  const { order, thresholds } = codebook;
  bytes.set(order, ORDER);
  thresholds.forEach((t, i) => {
    new Float32Array(buffer, THRESHOLDS + i * 16, 4).fill(t);
  });
  fixedPointValues(codebook).forEach((value, i) => {
    bytes[VALUES + i] = value & 0xff;
    bytes[VALUES + 16 + i] = (value >> 8) & 0xff;
  });
  candidateThresholds(codebook, blockSize).forEach((t, i) => {
    new Int16Array(buffer, GRID + i * 16, 8).fill(t);
  });
  const candidates = candidateShares(blockSize).length;
  return {
    weights: new Float32Array(buffer, WEIGHTS, CHUNK_WEIGHTS),
    scales: new Float32Array(buffer, SCALES, CHUNK_WEIGHTS / blockSize),
    codes: new Uint8Array(buffer, CODES, CHUNK_WEIGHTS / 2),
    load: (weights) => loadWidened(kernels, bytes, weights, { target: WEIGHTS, stored: STORED }),
    absmax: (blocks) => kernels.absmax(WEIGHTS, blocks, blockSize, SCALES),
    search: (blocks) => kernels.search(WEIGHTS, blocks, blockSize, SCALES, GRID, candidates, VALUES, SCRATCH),
    encode: (blocks) => kernels.encode(WEIGHTS, blocks, blockSize, SCALES, THRESHOLDS, ORDER, CODES),
  };
}
