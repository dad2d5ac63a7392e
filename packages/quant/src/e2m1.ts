import { toFloat32 } from "@vlmopt/tensor-io/browser";
import { CHUNK_WEIGHTS } from "./chunk-weights.ts";
import { decodeChunks } from "./decode-chunks.ts";
import { type CandidateCodes, e2m1Kernels } from "./e2m1-kernels.ts";
import {
  assertFinite,
  assertWholeGroups,
  type FloatDtype,
  sliceWeights,
  storedWeights,
  type Weights,
  weightCount,
} from "./weights.ts";

/** The number of each code: a sign bit, two of exponent, one of mantissa. OCP Microscaling Formats 1.0, section 5.3.3. */
export const e2m1Values: readonly number[] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6];

/** Weights as E2M1 numbers under scales that are stored in a byte each. */
export interface E2m1Weights {
  readonly count: number;
  /** Uint8 [count / 2]: two numbers a byte, the earlier one in the low half. */
  readonly codes: Uint8Array;
  /** Uint8 [count / groupSize]. */
  readonly scales: Uint8Array;
}

/** How groups are scaled. */
export interface GroupScaling {
  readonly groupSize: 16 | 32;
  /** Float32 [256]: the scale that each code is. */
  readonly table: Float32Array;
  /** Codes of scales, from largest magnitudes. */
  codesFor(largest: Float32Array): Uint8Array;
  /** What a search for the scale of least squared error tries. */
  readonly candidates: CandidateCodes;
}

/**
 * @param importance of each column, how much an error there counts where scales are searched; weights are whole rows of as many
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 * @throws {RangeError} where groups do not divide the weights
 */
export function encodeE2m1(
  weights: Weights,
  scaling: GroupScaling,
  search: boolean,
  importance?: Float32Array,
): E2m1Weights {
  const { groupSize, table, candidates } = scaling;
  const stored = storedWeights(weights);
  const count = weightCount(stored);
  assertWholeGroups(count, groupSize);
  const codes = new Uint8Array(count / 2);
  const scales = new Uint8Array(count / groupSize);
  const kernels = e2m1Kernels(groupSize, table);
  for (let begin = 0; begin < count; begin += CHUNK_WEIGHTS) {
    const end = Math.min(count, begin + CHUNK_WEIGHTS);
    const groups = (end - begin) / groupSize;
    const chunk = sliceWeights(stored, begin, end);
    kernels.load(chunk);
    kernels.findLargest(groups);
    const largest = kernels.largest.subarray(0, groups);
    if (!largest.every(Number.isFinite)) assertFinite(toFloat32(chunk.bytes, chunk.dtype), begin);
    kernels.scales.set(scaling.codesFor(largest));
    if (search && importance !== undefined)
      searchWeighted(toFloat32(chunk.bytes, chunk.dtype), begin, kernels.scales, scaling, importance);
    else if (search) kernels.search(groups, candidates);
    kernels.encode(groups);
    scales.set(kernels.scales.subarray(0, groups), begin / groupSize);
    codes.set(kernels.codes.subarray(0, (end - begin) / 2), begin / 2);
  }
  return { count, codes, scales };
}

/** The weights as elements of `dtype`: products in float32, rounded to nearest even. */
export function decodeE2m1(
  { count, codes, scales }: E2m1Weights,
  { groupSize, table }: Pick<GroupScaling, "groupSize" | "table">,
  dtype: FloatDtype,
): Uint8Array {
  const products = new Float32Array(16);
  return decodeChunks(count, groupSize, dtype, (weights, first, groups) => {
    for (let group = 0; group < groups; group++) {
      const scale = table[scales[first + group] as number] as number;
      for (let code = 0; code < 16; code++) products[code] = (e2m1Values[code] as number) * scale;
      const output = group * groupSize;
      const input = ((first + group) * groupSize) / 2;
      for (let i = 0; i < groupSize; i += 2) {
        const pair = codes[input + (i >> 1)] as number;
        weights[output + i] = products[pair & 15] as number;
        weights[output + i + 1] = products[pair >> 4] as number;
      }
    }
  });
}

/**
 * Replaces each group's scale by the candidate of least Σ importance · (weight − number · scale)².
 * @param begin the first weight's place in the matrix
 */
function searchWeighted(
  weights: Float32Array,
  begin: number,
  scales: Uint8Array,
  { groupSize, table, candidates }: GroupScaling,
  importance: Float32Array,
): void {
  const { below, above, first, last } = candidates;
  for (let from = 0, group = 0; from < weights.length; from += groupSize, group++) {
    const start = scales[group] as number;
    const errorOf = (code: number) => {
      const scale = table[code] as number;
      let error = 0;
      for (let i = from; i < from + groupSize; i++) {
        const size = Math.abs(weights[i] as number);
        const wrong = size - nearestSize(size / scale) * scale;
        error += (importance[(begin + i) % importance.length] as number) * wrong * wrong;
      }
      return error;
    };
    let least = errorOf(start);
    for (let code = Math.max(first, start - below); code <= Math.min(last, start + above); code++) {
      const error = errorOf(code);
      if (!(error < least)) continue;
      least = error;
      scales[group] = code;
    }
  }
}

/** The nearest magnitude. */
function nearestSize(m: number): number {
  if (m > 2.5) return m > 5 ? 6 : m > 3.5 ? 4 : 3;
  return (+(m > 0.25) + +(m > 0.75) + +(m > 1.25) + +(m > 1.75)) / 2;
}
