import type { Stage, TensorSpec } from "@vlmopt/tensor-io";
import { magnitudeBits, wordsOf } from "./magnitude.ts";

export interface SparsifyOptions {
  /** Magnitudes below become zero … */
  readonly threshold: number;
  /** … and the first so many that equal it. */
  readonly ties: number;
}

/** Stage module of unstructured pruning: zeroes in place. */
export function createStage(input: TensorSpec, options: unknown): Stage {
  const { threshold, ties } = options as SparsifyOptions;
  const bits = magnitudeBits(input.dtype, input.name);
  const { mask } = bits;
  let left = ties;
  return {
    push(rows) {
      const words = wordsOf(rows, bits);
      for (let i = 0; i < words.length; i++) {
        const magnitude = (words[i] as number) & mask;
        if (magnitude < threshold || (magnitude === threshold && left-- > 0)) words[i] = 0;
      }
      return [new Uint8Array(words.buffer, words.byteOffset, words.byteLength)];
    },
  };
}
