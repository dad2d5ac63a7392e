import { type BlockwiseOptions, type BlockwiseWeights, encodeBlockwise } from "./blockwise.ts";
import type { Codebook } from "./codebook.ts";
import { factorOf, largestMagnitude } from "./codebook-kernels.ts";
import type { Weights } from "./weights.ts";

/*
 * Double quantization (Dettmers et al. 2023, QLoRA, section 3): what is left of the scales once their mean is taken off is stored in
 * 8 bits too, in blocks of 256 under the dynamic map of Dettmers 2015 (arXiv:1511.04561).
 */

/** Scales in 8 bits each: `dynamicMap[code] * absmax[block] + offset`. */
export interface NestedScales {
  /** Uint8, one for each scale. */
  readonly codes: Uint8Array;
  /** Float32 [ceil(scales / 256)]. */
  readonly absmax: Float32Array;
  readonly offset: number;
}

export interface NestedBlockwiseWeights extends Omit<BlockwiseWeights, "absmax"> {
  readonly absmax: NestedScales;
}

/** Scales that double quantization puts under one scale of their own. */
export const NESTED_BLOCK_SIZE = 256;

/**
 * The 256 numbers of the dynamic map, ascending: for each of seven powers of ten the midpoints of 2^i even parts of [0.1, 1], both
 * signs, and 0 and 1.
 */
export const dynamicMap: Float32Array = Float32Array.from(
  Array.from({ length: 7 }, (_, i) => {
    const midpoints = midpointsOf(evenParts(2 ** i)).map((mid) =>
      Math.fround(mid * Math.fround(10 ** (i - 6))),
    );
    return [...midpoints, ...midpoints.map((mid) => -mid)];
  })
    .flat()
    .concat(0, 1),
).sort();

const dynamicThresholds = Float32Array.from(midpointsOf([...dynamicMap]));

/** Boundaries of even parts of [0.1, 1] in float32, counted from whichever end is nearer and rounded once, as PyTorch does. */
function evenParts(parts: number): number[] {
  const [start, end] = [Math.fround(0.1), 1];
  const step = Math.fround(Math.fround(end - start) / parts);
  return Array.from({ length: parts + 1 }, (_, i) =>
    i < (parts + 1) >> 1 ? Math.fround(start + step * i) : Math.fround(end - step * (parts - i)),
  );
}

function midpointsOf(numbers: readonly number[]): number[] {
  return numbers.slice(1).map((next, i) => Math.fround(next + (numbers[i] as number)) / 2);
}

/**
 * Quantizes the scales of one tensor. Bit for bit what bitsandbytes' PyTorch backend gives for the same offset.
 * @param offset what is taken off the scales first; their mean unless told, summed without rounding. PyTorch sums in float32 in an
 * order that depends on the processor's vectors and on threads, and so may differ in the last place.
 */
export function quantizeScales(scales: Float32Array, offset: number = meanOf(scales)): NestedScales {
  const rest = scales.map((scale) => scale - offset);
  const codes = new Uint8Array(rest.length);
  const absmax = new Float32Array(Math.ceil(rest.length / NESTED_BLOCK_SIZE));
  for (let block = 0; block < absmax.length; block++) {
    const begin = block * NESTED_BLOCK_SIZE;
    const values = rest.subarray(begin, begin + NESTED_BLOCK_SIZE);
    const whole = values.length === NESTED_BLOCK_SIZE;
    const largest = whole ? largestMagnitude(values) : Math.max(largestMagnitude(values), Math.fround(1e-38));
    const factor = factorOf(largest);
    absmax[block] = largest;
    values.forEach((value, i) => {
      codes[begin + i] = dynamicCode(Math.fround(whole ? value * factor : value / largest));
    });
  }
  return { codes, absmax, offset };
}

/** The scales that are decoded from `nested`, float32. */
export function dequantizeScales({ codes, absmax, offset }: NestedScales): Float32Array {
  return Float32Array.from(codes, (code, i) => {
    const product = (dynamicMap[code] as number) * (absmax[Math.floor(i / NESTED_BLOCK_SIZE)] as number);
    return Math.fround(product) + offset;
  });
}

/**
 * Encodes weights as `encodeBlockwise` does, with their scales in 8 bits. With `scales: "search"` indices are chosen against the scales
 * that will be decoded; otherwise against the absmax before it was quantized, as bitsandbytes does.
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 */
export function encodeNestedBlockwise(
  weights: Weights,
  codebook: Codebook,
  options: BlockwiseOptions = {},
): NestedBlockwiseWeights {
  const encoded = encodeBlockwise(weights, codebook, options);
  const absmax = quantizeScales(encoded.absmax);
  if (options.scales !== "search") return { ...encoded, absmax };
  return { ...encodeBlockwise(weights, codebook, { ...options, scales: dequantizeScales(absmax) }), absmax };
}

/** The same weights with scales in 32 bits, as a reader of the format sees them. */
export function unnested(encoded: NestedBlockwiseWeights): BlockwiseWeights {
  return { ...encoded, absmax: dequantizeScales(encoded.absmax) };
}

function meanOf(scales: Float32Array): number {
  let sum = 0;
  for (const scale of scales) sum += scale;
  return scales.length === 0 ? 0 : Math.fround(sum / scales.length);
}

/** The number of thresholds below `scaled`, by bisection. */
function dynamicCode(scaled: number): number {
  let code = 0;
  for (let step = 128; step > 0; step >>= 1) {
    if (code + step < 256 && scaled > (dynamicThresholds[code + step - 1] as number)) code += step;
  }
  return code;
}
