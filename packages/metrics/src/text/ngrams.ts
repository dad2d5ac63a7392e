/** Numbers for n-grams of word numbers: equal n-grams, equal numbers, from 0 on for each order. */
export class NgramIds {
  readonly #byOrder: Map<number, number>[];
  readonly #words: number;

  /** @param words how many words there are: the keys of few words are small numbers, which are looked up much faster */
  constructor(orders: number, words: number) {
    this.#byOrder = Array.from({ length: orders }, () => new Map());
    this.#words = words;
  }

  /** How many n-grams of an order (from 1) have numbers. */
  size(order: number): number {
    return this.#byOrder[order - 1]?.size ?? 0;
  }

  /** Of each order from 1, the numbers of the n-grams that begin at each word. */
  of(words: Int32Array): readonly Int32Array[] {
    let shorter = new Int32Array(words.length);
    return this.#byOrder.map((ids, n) => {
      const count = Math.max(0, words.length - n);
      const found = new Int32Array(count);
      for (let i = 0; i < count; i++) {
        // An n-gram is the one before its last word, and that word.
        const key = (shorter[i] as number) * this.#words + (words[i + n] as number);
        let id = ids.get(key);
        if (id === undefined) {
          id = ids.size;
          ids.set(key, id);
        }
        found[i] = id;
      }
      shorter = found;
      return found;
    });
  }
}

/** How often each number occurs. */
export function countIds(ids: Int32Array, size: number): Int32Array {
  const counts = new Int32Array(size);
  for (const id of ids) counts[id] = (counts[id] as number) + 1;
  return counts;
}

/** N-grams of a prediction that a reference has too, each as often as both have it. */
export function commonCount(prediction: Int32Array, reference: Int32Array): number {
  let common = 0;
  for (const [id, count] of prediction.entries()) common += Math.min(count, reference[id] as number);
  return common;
}
