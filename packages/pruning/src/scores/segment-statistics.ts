import { type Dtype, instantiateKernels, reserveMemory, toFloat32 } from "@vlmopt/tensor-io";
import { wasm } from "../generated/segment-statistics.wasm.ts";

/**
 * Statistics of equally long segments that follow each other in memory: rows of a matrix, or parts of rows that belong to one head.
 * - `extremes`: largest and smallest element
 * - `moments`: sum, sum of squares, sum of magnitudes, summed in doubles
 */
export type Statistic = keyof typeof statisticSizes;

/** Numbers a segment. */
export const statisticSizes = { extremes: 2, moments: 3 } as const;

interface SegmentKernels {
  extremes16(input: number, segments: number, length: number, output: number): void;
  extremes32(input: number, segments: number, length: number, output: number): void;
  moments(input: number, segments: number, length: number, dtype: number, output: number): void;
}

const kernelDtypes: Partial<Record<Dtype, number>> = { BF16: 0, F16: 1, F32: 2 };
const kernels = instantiateKernels<SegmentKernels>(wasm);
/** Behind the kernels' own constants. */
const INPUT = 65_536;

/**
 * @param bytes elements of `dtype`, `segments · length` of them
 * @returns `[segments, statisticSizes[statistic]]`
 */
export function segmentStatistics(
  bytes: Uint8Array,
  dtype: Dtype,
  length: number,
  statistic: Statistic,
): Float64Array {
  const code = kernelDtypes[dtype];
  return kernels === undefined || code === undefined
    ? plainStatistics(toFloat32(bytes, dtype), length, statistic)
    : kernelStatistics(kernels, bytes, dtype, code, length, statistic);
}

function kernelStatistics(
  { memory, ...run }: SegmentKernels & { readonly memory: WebAssembly.Memory },
  bytes: Uint8Array,
  dtype: Dtype,
  code: number,
  length: number,
  statistic: Statistic,
): Float64Array {
  const elementBytes = dtype === "F32" ? 4 : 2;
  const segments = bytes.byteLength / elementBytes / length;
  const count = segments * statisticSizes[statistic];
  const output = INPUT + Math.ceil(bytes.byteLength / 16) * 16 + 16;
  reserveMemory(memory, output + count * 8);
  new Uint8Array(memory.buffer, INPUT, bytes.byteLength).set(bytes);
  if (statistic === "moments") {
    run.moments(INPUT, segments, length, code, output);
    return new Float64Array(memory.buffer, output, count).slice();
  }
  if (dtype === "F32") {
    run.extremes32(INPUT, segments, length, output);
    return Float64Array.from(new Float32Array(memory.buffer, output, count));
  }
  run.extremes16(INPUT, segments, length, output);
  const patterns = Uint16Array.from(new Int32Array(memory.buffer, output, count));
  return Float64Array.from(toFloat32(new Uint8Array(patterns.buffer), dtype));
}

/** The same, one element at a time. */
function plainStatistics(values: Float32Array, length: number, statistic: Statistic): Float64Array {
  const segments = values.length / length;
  const result = new Float64Array(segments * statisticSizes[statistic]);
  for (let segment = 0; segment < segments; segment++) {
    const part = values.subarray(segment * length, (segment + 1) * length);
    if (statistic === "extremes") {
      result[2 * segment] = part.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      result[2 * segment + 1] = part.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
      continue;
    }
    let [sum, squares, magnitudes] = [0, 0, 0];
    for (const value of part) {
      sum += value;
      squares += value * value;
      magnitudes += Math.abs(value);
    }
    result.set([sum, squares, magnitudes], 3 * segment);
  }
  return result;
}
