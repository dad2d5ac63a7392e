import { convert, instantiateKernels, type Kernels, reserveMemory } from "@vlmopt/tensor-io/browser";
import { CHUNK_WEIGHTS, loadWidened, type WideningExports } from "./chunk-weights.ts";
import { largestMagnitude } from "./codebook-kernels.ts";
import { wasm } from "./generated/integer.wasm.ts";
import { roundHalfEven, shorten } from "./round-float.ts";
import { reciprocalShares, searchScale, searchScaleAndZero } from "./scale-search.ts";
import type { StoredWeights } from "./weights.ts";

/** Whole groups of one chunk, at every step from weights to codes. The steps write what the next one reads. */
export interface IntegerKernels {
  readonly bits: number;
  readonly groupSize: number;
  readonly groupsAtOnce: number;
  readonly weights: Float32Array;
  /** One a group, by `extremes`. */
  readonly lowest: Float32Array;
  readonly highest: Float32Array;
  /** Infinite or NaN where a weight is. */
  readonly magnitude: Float32Array;
  /** One a group. */
  readonly scales: Float32Array;
  /** One a group; 0 until something else is written. */
  readonly zeros: Float32Array;
  /** Two a byte, the earlier one in the low half, or signed bytes. */
  readonly codes: Uint8Array;
  load(weights: StoredWeights): void;
  extremes(groups: number): void;
  /** Makes each scale, until now the extreme weight over −2^(bits − 1), that of least squared error; not of 8 bits. */
  searchScales(groups: number): void;
  /**
   * Makes each scale, until now the range over 2^bits − 1, and each zero, until now the lowest weight, those of least squared error for
   * numbers from 0 to 2^bits − 1; not of 8 bits.
   */
  searchScalesAndZeros(groups: number, whole: boolean): void;
  /** round(weight / scale + zero) from −8 to 7, plus 8; arithmetic without the last `drop` bits of float32. */
  encode4(groups: number, drop: number): void;
  /** The same without zero points, as ONNX Runtime rounds: weight · (1 / scale), halves up. */
  encode4HalfUp(groups: number): void;
  /** round(weight / scale + zero) from `lowest` to 2^(bits − 1) − 1, a signed byte each. */
  encodeBytes(groups: number, lowest: number, drop: number): void;
}

/** WebAssembly where there is SIMD and groups are of whole vectors, plain code elsewhere; both give the same bits. */
export function integerKernels(groupSize: number, bits: number): IntegerKernels {
  // An even number of groups fills whole bytes whatever their size.
  const groupsAtOnce = 2 * Math.max(1, Math.floor(CHUNK_WEIGHTS / groupSize / 2));
  instance ??= instantiateKernels<IntegerExports>(wasm);
  return instance === undefined || groupSize % 32 !== 0
    ? plainKernels(groupSize, groupsAtOnce, bits)
    : wasmKernels(instance, groupSize, groupsAtOnce, bits);
}

function plainKernels(groupSize: number, groupsAtOnce: number, bits: number): IntegerKernels {
  const count = groupSize * groupsAtOnce;
  const weights = new Float32Array(count);
  const lowest = new Float32Array(groupsAtOnce);
  const highest = new Float32Array(groupsAtOnce);
  const magnitude = new Float32Array(groupsAtOnce);
  const scales = new Float32Array(groupsAtOnce);
  const zeros = new Float32Array(groupsAtOnce);
  const codes = new Uint8Array(count);
  const shares = reciprocalShares(groupSize, bits);
  const groupOf = (group: number) => weights.subarray(group * groupSize, (group + 1) * groupSize);
  const nibble = (i: number, code: number) => {
    codes[i >> 1] = i % 2 === 0 ? code : (codes[i >> 1] as number) | (code << 4);
  };
  return {
    bits,
    groupSize,
    groupsAtOnce,
    weights,
    lowest,
    highest,
    magnitude,
    scales,
    zeros,
    codes,
    load({ dtype, bytes }) {
      convert(bytes, dtype, "F32", new Uint8Array(weights.buffer));
    },
    extremes(groups) {
      for (let group = 0; group < groups; group++) {
        let low = Number.POSITIVE_INFINITY;
        let high = Number.NEGATIVE_INFINITY;
        for (const weight of groupOf(group)) {
          if (weight < low) low = weight;
          if (weight > high) high = weight;
        }
        lowest[group] = low;
        highest[group] = high;
        magnitude[group] = largestMagnitude(groupOf(group));
      }
    },
    searchScales(groups) {
      for (let group = 0; group < groups; group++)
        scales[group] = searchScale(groupOf(group), scales[group] as number, 2 ** (bits - 1), shares);
    },
    searchScalesAndZeros(groups, whole) {
      for (let group = 0; group < groups; group++) {
        const found = searchScaleAndZero(
          groupOf(group),
          zeros[group] as number,
          scales[group] as number,
          whole,
          2 ** bits - 1,
          shares,
        );
        scales[group] = found.scale;
        zeros[group] = found.zero;
      }
    },
    encode4(groups, drop) {
      for (let i = 0, group = 0; group < groups; group++) {
        for (const end = i + groupSize; i < end; i++) {
          const quotient = shorten((weights[i] as number) / (scales[group] as number), drop);
          const shifted = shorten(quotient + (zeros[group] as number), drop);
          nibble(i, roundHalfEven(Math.max(-8, Math.min(7, shifted))) + 8);
        }
      }
    },
    encode4HalfUp(groups) {
      for (let i = 0, group = 0; group < groups; group++) {
        const scale = scales[group] as number;
        const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
        for (const end = i + groupSize; i < end; i++) {
          const shifted = Math.fround(Math.fround((weights[i] as number) * inverse) + 8.5);
          nibble(i, Math.trunc(Math.max(0, Math.min(15, shifted))));
        }
      }
    },
    encodeBytes(groups, lowest, drop) {
      const highest = 2 ** (bits - 1) - 1;
      for (let i = 0, group = 0; group < groups; group++) {
        for (const end = i + groupSize; i < end; i++) {
          const quotient = shorten((weights[i] as number) / (scales[group] as number), drop);
          const shifted = shorten(quotient + (zeros[group] as number), drop);
          codes[i] = roundHalfEven(Math.max(lowest, Math.min(highest, shifted)));
        }
      }
    },
  };
}

interface IntegerExports extends WideningExports {
  extremes(
    weights: number,
    groups: number,
    groupSize: number,
    lowest: number,
    highest: number,
    magnitude: number,
  ): void;
  searchScales(
    weights: number,
    groups: number,
    groupSize: number,
    scales: number,
    half: number,
    shares: number,
    candidates: number,
    scratch: number,
  ): void;
  searchWithZero(
    weights: number,
    groups: number,
    groupSize: number,
    scales: number,
    zeros: number,
    whole: boolean,
    most: number,
    shares: number,
    candidates: number,
    scratch: number,
  ): void;
  encode4(
    weights: number,
    groups: number,
    groupSize: number,
    scales: number,
    zeros: number,
    drop: number,
    codes: number,
  ): void;
  encode4HalfUp(weights: number, groups: number, groupSize: number, scales: number, codes: number): void;
  encodeBytes(
    weights: number,
    groups: number,
    groupSize: number,
    scales: number,
    zeros: number,
    lowest: number,
    highest: number,
    drop: number,
    codes: number,
  ): void;
}

let instance: Kernels<IntegerExports> | undefined;

function wasmKernels(
  kernels: Kernels<IntegerExports>,
  groupSize: number,
  groupsAtOnce: number,
  bits: number,
): IntegerKernels {
  const count = groupSize * groupsAtOnce;
  // All of the memory is the kernels': they keep no data of their own. Everything starts at a multiple of 16 bytes.
  let used = 0;
  const place = (bytes: number) => {
    const at = used;
    used += Math.ceil(bytes / 16) * 16;
    return at;
  };
  const WEIGHTS = place(count * 4);
  const STORED = place(count * 2);
  const CODES = place(count);
  const LOWEST = place(groupsAtOnce * 4);
  const HIGHEST = place(groupsAtOnce * 4);
  const MAGNITUDE = place(groupsAtOnce * 4);
  const SCALES = place(groupsAtOnce * 4);
  const ZEROS = place(groupsAtOnce * 4);
  const shares = reciprocalShares(groupSize, bits);
  const SHARES = place(shares.byteLength);
  const SCRATCH = place(groupSize * 2);
  reserveMemory(kernels.memory, used);
  const { buffer } = kernels.memory;
  const bytes = new Uint8Array(buffer);
  new Int16Array(buffer, SHARES).set(shares);
  const floats = (at: number, length: number) => new Float32Array(buffer, at, length).fill(0);
  return {
    bits,
    groupSize,
    groupsAtOnce,
    weights: new Float32Array(buffer, WEIGHTS, count),
    lowest: floats(LOWEST, groupsAtOnce),
    highest: floats(HIGHEST, groupsAtOnce),
    magnitude: floats(MAGNITUDE, groupsAtOnce),
    scales: floats(SCALES, groupsAtOnce),
    zeros: floats(ZEROS, groupsAtOnce),
    codes: new Uint8Array(buffer, CODES, count),
    load: (weights) => loadWidened(kernels, bytes, weights, { target: WEIGHTS, stored: STORED }),
    extremes: (groups) => kernels.extremes(WEIGHTS, groups, groupSize, LOWEST, HIGHEST, MAGNITUDE),
    searchScales: (groups) =>
      kernels.searchScales(
        WEIGHTS,
        groups,
        groupSize,
        SCALES,
        2 ** (bits - 1),
        SHARES,
        shares.length,
        SCRATCH,
      ),
    searchScalesAndZeros: (groups, whole) =>
      kernels.searchWithZero(
        WEIGHTS,
        groups,
        groupSize,
        SCALES,
        ZEROS,
        whole,
        2 ** bits - 1,
        SHARES,
        shares.length,
        SCRATCH,
      ),
    encode4: (groups, drop) => kernels.encode4(WEIGHTS, groups, groupSize, SCALES, ZEROS, drop, CODES),
    encode4HalfUp: (groups) => kernels.encode4HalfUp(WEIGHTS, groups, groupSize, SCALES, CODES),
    encodeBytes: (groups, lowest, drop) =>
      kernels.encodeBytes(
        WEIGHTS,
        groups,
        groupSize,
        SCALES,
        ZEROS,
        lowest,
        2 ** (bits - 1) - 1,
        drop,
        CODES,
      ),
  };
}
