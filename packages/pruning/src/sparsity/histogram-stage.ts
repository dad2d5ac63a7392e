import type { Stage, TensorSpec } from "@vlmopt/tensor-io";
import { BINS, magnitudeBits, wordsOf } from "./magnitude.ts";

export interface HistogramOptions {
  /** Undefined: counts the high bits of all magnitudes. Given: the low bits of those with these high bits. */
  readonly high: number | undefined;
}

/** Stage module of thresholds: F64 counts `[BINS]` of a tensor's magnitudes. */
export function createStage(input: TensorSpec, options: unknown): Stage {
  const { high } = options as HistogramOptions;
  const bits = magnitudeBits(input.dtype, input.name);
  const { mask, lowBits } = bits;
  const counts = new Float64Array(BINS);
  return {
    push(rows) {
      const words = wordsOf(rows, bits);
      for (let i = 0; i < words.length; i++) {
        const magnitude = (words[i] as number) & mask;
        if (high === undefined) counts[magnitude >>> lowBits] = (counts[magnitude >>> lowBits] as number) + 1;
        else if (magnitude >>> lowBits === high) {
          counts[magnitude & 0xffff] = (counts[magnitude & 0xffff] as number) + 1;
        }
      }
      return [new Uint8Array(0)];
    },
    finish: () => [new Uint8Array(counts.buffer)],
  };
}
