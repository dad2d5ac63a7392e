/** Sixteen numbers in [−1, 1]; a weight is stored as the index of the nearest one, on the scale of its block. */
export interface Codebook {
  readonly name: "nf4" | "fp4";
  /** Float32 [16]: the number of each index. */
  readonly values: Float32Array;
  /** Indices in ascending order of their numbers. */
  readonly order: Uint8Array;
  /**
   * Float32 [15]: midpoints of neighbours in that order. A scaled weight's rank is the number of midpoints below it, so one that is
   * on a midpoint goes down.
   */
  readonly thresholds: Float32Array;
}

export function codebookOf(name: Codebook["name"], numbers: readonly number[]): Codebook {
  const values = Float32Array.from(numbers);
  const ranked = [...values.keys()].sort((a, b) => (values[a] as number) - (values[b] as number));
  const ascending = ranked.map((index) => values[index] as number);
  const thresholds = Float32Array.from(
    { length: 15 },
    (_, i) => Math.fround((ascending[i] as number) + (ascending[i + 1] as number)) / 2,
  );
  return { name, values, order: Uint8Array.from(ranked), thresholds };
}

/** The number of thresholds below a scaled weight. */
export function rankOf(scaled: number, thresholds: Float32Array): number {
  let rank = 0;
  for (let i = 0; i < 15; i++) if (scaled > (thresholds[i] as number)) rank++;
  return rank;
}
