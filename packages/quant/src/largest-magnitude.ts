import { toFloat32 } from "@vlmopt/tensor-io/browser";
import { CHUNK_WEIGHTS } from "./chunk-weights.ts";
import { largestMagnitude } from "./codebook-kernels.ts";
import { e2m1Kernels } from "./e2m1-kernels.ts";
import { sliceWeights, storedWeights, type Weights, weightCount } from "./weights.ts";

/** The largest magnitude of weights; infinite or NaN where one is. */
export function largestOf(weights: Weights): number {
  const stored = storedWeights(weights);
  const count = weightCount(stored);
  const whole = count - (count % 16);
  const kernels = e2m1Kernels(16, noScales);
  let largest = largestMagnitude(toFloat32(sliceWeights(stored, whole, count).bytes, stored.dtype));
  for (let begin = 0; begin < whole; begin += CHUNK_WEIGHTS) {
    const end = Math.min(whole, begin + CHUNK_WEIGHTS);
    kernels.load(sliceWeights(stored, begin, end));
    kernels.findLargest((end - begin) / 16);
    const magnitude = largestMagnitude(kernels.largest.subarray(0, (end - begin) / 16));
    if (!(magnitude <= largest)) largest = magnitude;
  }
  return largest;
}

const noScales = new Float32Array(256);
