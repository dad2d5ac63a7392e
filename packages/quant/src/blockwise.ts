import { checkOptions, either, object, oneOf } from "@vlmopt/options";
import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { candidateThresholds, fixedPointValues, searchScale } from "./absmax-search.ts";
import { CHUNK_WEIGHTS } from "./chunk-weights.ts";
import { type Codebook, rankOf } from "./codebook.ts";
import { type CodebookKernels, codebookKernels, largestMagnitude } from "./codebook-kernels.ts";
import {
  assertFinite,
  type FloatDtype,
  sliceWeights,
  storedWeights,
  type Weights,
  weightCount,
} from "./weights.ts";

/** Weights that bitsandbytes' 4-bit formats put under one scale. */
export const blockSizes = [32, 64, 128, 256, 512, 1024, 2048, 4096] as const;
export type BlockSize = (typeof blockSizes)[number];

/** Weights in 4 bits each: `codebook.values[index] * absmax[block]`. Blocks run through the rows of a matrix. */
export interface BlockwiseWeights {
  readonly codebook: Codebook;
  readonly blockSize: BlockSize;
  readonly count: number;
  /** Uint8 [ceil(count / 2)]: two indices a byte, the earlier one in the high half. */
  readonly codes: Uint8Array;
  /** Float32 [ceil(count / blockSize)]. */
  readonly absmax: Float32Array;
}

export interface BlockwiseOptions {
  /** 64 unless told. */
  readonly blockSize?: BlockSize;
  /**
   * The scale of each block: its largest magnitude (unless told), the one of least squared error, which any reader of the format
   * decodes just as well, or the ones given.
   */
  readonly scales?: "absmax" | "search" | Float32Array;
}

/**
 * Encodes weights in blocks under a codebook: NF4 (`nf4`) or FP4 (`fp4`). Without a search the bytes are those of bitsandbytes' PyTorch
 * backend (0.50, `backends/default/ops.py`).
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 */
export function encodeBlockwise(
  weights: Weights,
  codebook: Codebook,
  options: BlockwiseOptions = {},
): BlockwiseWeights {
  checkOptions("encodeBlockwise", options, {
    blockSize: oneOf(blockSizes),
    scales: either(oneOf(["absmax", "search"]), object),
  });
  const { blockSize = 64, scales = "absmax" } = options;
  const stored = storedWeights(weights);
  const count = weightCount(stored);
  const codes = new Uint8Array(Math.ceil(count / 2));
  const absmax = new Float32Array(Math.ceil(count / blockSize));
  if (scales instanceof Float32Array) absmax.set(scales);
  const search = scales === "search";

  const kernels = codebookKernels(codebook, blockSize);
  const whole = count - (count % blockSize);
  for (let begin = 0; begin < whole; begin += CHUNK_WEIGHTS) {
    const end = Math.min(whole, begin + CHUNK_WEIGHTS);
    const blocks = (end - begin) / blockSize;
    const chunkScales = absmax.subarray(begin / blockSize, end / blockSize);
    kernels.load(sliceWeights(stored, begin, end));
    measure(kernels, blocks, begin, search);
    if (scales instanceof Float32Array) kernels.scales.set(chunkScales);
    else chunkScales.set(kernels.scales.subarray(0, blocks));
    kernels.encode(blocks);
    codes.set(kernels.codes.subarray(0, (end - begin) / 2), begin / 2);
  }
  if (whole < count) {
    const tail = toFloat32(sliceWeights(stored, whole, count).bytes, stored.dtype);
    assertFinite(tail, whole);
    const scale =
      scales instanceof Float32Array
        ? (absmax.at(-1) as number)
        : tailScale(tail, codebook, blockSize, search);
    absmax[absmax.length - 1] = scale;
    encodeTail(tail, scale, codebook, codes.subarray(whole / 2));
  }
  return { codebook, blockSize, count, codes, absmax };
}

/** Finds the scales of a chunk that starts at weight `first`. */
function measure(kernels: CodebookKernels, blocks: number, first: number, search: boolean): void {
  kernels.absmax(blocks);
  const { scales, weights } = kernels;
  for (let block = 0; block < blocks; block++) {
    if (!Number.isFinite(scales[block])) assertFinite(weights, first);
  }
  if (search) kernels.search(blocks);
}

/** bitsandbytes never lets the scale of a partial block be 0. */
function tailScale(tail: Float32Array, codebook: Codebook, blockSize: number, search: boolean): number {
  const absmax = Math.max(largestMagnitude(tail), Math.fround(1e-38));
  return search
    ? searchScale(tail, absmax, candidateThresholds(codebook, blockSize), fixedPointValues(codebook))
    : absmax;
}

/** A partial last block is divided by its scale, where whole ones are multiplied by the inverse: bitsandbytes' bits demand it. */
function encodeTail(
  tail: Float32Array,
  scale: number,
  { order, thresholds }: Codebook,
  codes: Uint8Array,
): void {
  const index = (i: number) => {
    const scaled = i < tail.length ? Math.fround((tail[i] as number) / scale) : 0;
    return order[rankOf(scaled, thresholds)] as number;
  };
  for (let i = 0; i < tail.length; i += 2) codes[i >> 1] = (index(i) << 4) | index(i + 1);
}

/** The weights as elements of `dtype`: products in float32, rounded to nearest even. */
export function decodeBlockwise(encoded: BlockwiseWeights, dtype: FloatDtype): Uint8Array {
  const { codebook, blockSize, count, codes, absmax } = encoded;
  const blocksAtOnce = Math.max(1, CHUNK_WEIGHTS / blockSize);
  const products = new Float32Array(blocksAtOnce * 16);
  const result = dtype === "F32" ? new Float32Array(count) : new Uint16Array(count);
  for (let first = 0; first < absmax.length; first += blocksAtOnce) {
    const blocks = Math.min(blocksAtOnce, absmax.length - first);
    for (let i = 0; i < blocks * 16; i++)
      products[i] = (codebook.values[i & 15] as number) * (absmax[first + (i >> 4)] as number);
    // What the sixteen indices of each block stand for, already in the target's format.
    const bytes = fromFloat32(products.subarray(0, blocks * 16), dtype);
    const table = dtype === "F32" ? products : new Uint16Array(bytes.buffer, bytes.byteOffset, blocks * 16);
    const end = Math.min(count, (first + blocks) * blockSize);
    lookUp(codes, table, blockSize, first * blockSize, end, result);
  }
  return new Uint8Array(result.buffer);
}

function lookUp(
  codes: Uint8Array,
  table: Float32Array | Uint16Array,
  blockSize: number,
  begin: number,
  end: number,
  result: Float32Array | Uint16Array,
): void {
  for (let start = begin, row = 0; start < end; start += blockSize, row += 16) {
    const stop = Math.min(end, start + blockSize);
    for (let i = start; i < stop; i += 2) {
      const pair = codes[i >> 1] as number;
      result[i] = table[row + (pair >> 4)] as number;
      // Past the end of an odd count this writes nowhere.
      result[i + 1] = table[row + (pair & 15)] as number;
    }
  }
}
