import { toFloat32 } from "@vlmopt/tensor-io";
import type { StoredWeights } from "../weights.ts";

/** Takes note of weights and of what will be decoded in their place, as F32. */
export type Measure = (weights: StoredWeights, decode: () => Uint8Array) => void;

/** Figures of one tensor in a `squaredErrorSums` array: Σ (weight − decoded)², then Σ weight². */
export const FIGURES = 2;

/** Adds up squared errors into memory that threads share: tensor `index`'s figures. Without memory nothing is decoded. */
export function measureInto(sums: SharedArrayBuffer | undefined, index: number): Measure {
  if (sums === undefined) return () => {};
  const figures = new Float64Array(sums, index * FIGURES * 8, FIGURES);
  return (weights, decode) => {
    const exact = toFloat32(weights.bytes, weights.dtype);
    const bytes = decode();
    const decoded = new Float32Array(bytes.buffer, bytes.byteOffset, exact.length);
    let error = 0;
    let energy = 0;
    for (let i = 0; i < exact.length; i++) {
      const weight = exact[i] as number;
      const difference = weight - (decoded[i] as number);
      error += difference * difference;
      energy += weight * weight;
    }
    figures[0] = (figures[0] as number) + error;
    figures[1] = (figures[1] as number) + energy;
  };
}
