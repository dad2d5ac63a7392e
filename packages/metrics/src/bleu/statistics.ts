import { countIds, NgramIds } from "../text/ngrams.ts";
import { WordIds } from "../text/word-ids.ts";

/** Up to four words. */
export const BLEU_ORDERS = 4;

/** What BLEU counts; of several items, their sums. */
export interface BleuStatistics {
  readonly length: number;
  /** Of the reference whose length is closest; of two as close, the shorter. */
  readonly referenceLength: number;
  /** Of each order, n-grams that some reference has too, no more often than it. */
  readonly common: readonly number[];
  /** Of each order, n-grams of the prediction. */
  readonly total: readonly number[];
}

/** length, reference length, common of each order, total of each order. */
export function bleuStatistics(
  prediction: readonly string[],
  references: readonly (readonly string[])[],
): Float64Array {
  const words = new WordIds();
  const ids = [prediction, ...references].map((text) => words.of(text));
  const ngrams = new NgramIds(BLEU_ORDERS, words.size);
  const [own = [], ...theirs] = ids.map((text) => ngrams.of(text));
  const result = new Float64Array(2 + 2 * BLEU_ORDERS);
  result[0] = prediction.length;
  result[1] = closestLength(prediction.length, references);
  for (let n = 0; n < BLEU_ORDERS; n++) {
    const mine = own[n] as Int32Array;
    const most = new Int32Array(ngrams.size(n + 1));
    for (const reference of theirs) {
      for (const [id, count] of countIds(reference[n] as Int32Array, most.length).entries()) {
        if (count > (most[id] as number)) most[id] = count;
      }
    }
    let common = 0;
    for (const id of mine) {
      const left = most[id] as number;
      if (left > 0) {
        most[id] = left - 1;
        common++;
      }
    }
    result[2 + n] = common;
    result[2 + BLEU_ORDERS + n] = mine.length;
  }
  return result;
}

export function readStatistics(values: Float64Array): BleuStatistics {
  return {
    length: values[0] as number,
    referenceLength: values[1] as number,
    common: [...values.subarray(2, 2 + BLEU_ORDERS)],
    total: [...values.subarray(2 + BLEU_ORDERS)],
  };
}

function closestLength(length: number, references: readonly (readonly string[])[]): number {
  let closest = Number.POSITIVE_INFINITY;
  for (const { length: other } of references) {
    const [difference, least] = [Math.abs(other - length), Math.abs(closest - length)];
    if (difference < least || (difference === least && other < closest)) closest = other;
  }
  return closest;
}
