import type { NltkVocabulary } from "./nltk-vocabulary.ts";

/** For each word of the hypothesis the place of its match in the reference, or −1. */
export type Alignment = Int32Array;

/**
 * NLTK's alignment of two lists of word numbers: equal words, then equal stems, then a synonym of the hypothesis word's stem among the
 * reference's stems. Each stage takes what the one before left, goes through the hypothesis from its end and takes the last match that
 * is free in the reference.
 */
export class NltkAligner {
  readonly #vocabulary: NltkVocabulary;
  /** Of each word number the last free place in the reference, or −1: all −1 between stages. */
  #last = new Int32Array(0);

  constructor(vocabulary: NltkVocabulary) {
    this.#vocabulary = vocabulary;
  }

  align(hypothesis: Int32Array, reference: Int32Array): Alignment {
    const vocabulary = this.#vocabulary;
    const alignment = new Int32Array(hypothesis.length).fill(-1);
    const taken = new Uint8Array(reference.length);
    if (this.#match(hypothesis, reference, alignment, taken, false) === 0) return alignment;
    const stems = hypothesis.map((id, i) => (alignment[i] === -1 ? vocabulary.stemOf(id) : id));
    const referenceStems = reference.map((id, j) => (taken[j] === 0 ? vocabulary.stemOf(id) : id));
    if (this.#match(stems, referenceStems, alignment, taken, false) === 0) return alignment;
    this.#match(stems, referenceStems, alignment, taken, true);
    return alignment;
  }

  /** One stage over what is free on both sides. Returns how many words of the side with fewer are still free. */
  #match(
    hypothesis: Int32Array,
    reference: Int32Array,
    alignment: Alignment,
    taken: Uint8Array,
    bySynonym: boolean,
  ): number {
    // Numbers given later, to synonyms, are in no reference yet.
    const size = this.#vocabulary.size;
    if (this.#last.length < size) this.#last = new Int32Array(2 * size).fill(-1);
    const last = this.#last;
    /** The free place before each that holds the same word, or −1. */
    const before = new Int32Array(reference.length);
    let freeInReference = 0;
    for (let j = 0; j < reference.length; j++) {
      if (taken[j] !== 0) continue;
      const word = reference[j] as number;
      before[j] = last[word] as number;
      last[word] = j;
      freeInReference++;
    }
    let freeInHypothesis = 0;
    for (let i = hypothesis.length - 1; i >= 0; i--) {
      if (alignment[i] !== -1) continue;
      const word = hypothesis[i] as number;
      const place =
        freeInReference === 0 ? -1 : bySynonym ? lastOf(this.#vocabulary.synonymsOf(word), last) : last[word];
      if (place === undefined || place === -1) {
        freeInHypothesis++;
        continue;
      }
      alignment[i] = place;
      taken[place] = 1;
      last[reference[place] as number] = before[place] as number;
      freeInReference--;
    }
    for (const word of reference) last[word] = -1;
    return Math.min(freeInHypothesis, freeInReference);
  }
}

/** The last place of any of the words, or −1. */
function lastOf(words: Int32Array, last: Int32Array): number {
  let place = -1;
  for (const word of words) {
    const its = last[word] ?? -1;
    if (its > place) place = its;
  }
  return place;
}

/** Matches, and runs of them that are adjacent and in the same order on both sides. */
export function countChunks(alignment: Alignment): { matches: number; chunks: number } {
  let [matches, chunks, previous] = [0, 0, -1];
  for (const place of alignment) {
    if (place !== -1) {
      matches++;
      if (previous === -1 || place !== previous + 1) chunks++;
    }
    previous = place;
  }
  return { matches, chunks };
}
