import { WordIds } from "../text/word-ids.ts";
import { lcsLength, markLcs } from "./longest-common-subsequence.ts";
import { rougeTokens } from "./tokenize.ts";

/** Hits, and what they are of. */
export interface Overlap {
  readonly hits: number;
  /** N-grams or tokens of the reference. */
  readonly inReference: number;
  readonly inPrediction: number;
}

const NOTHING: Overlap = { hits: 0, inReference: 0, inPrediction: 0 };

/** N-grams that both have, each as often as the one that has it less often. */
export function ngramOverlap(reference: Int32Array, prediction: Int32Array, n: number): Overlap {
  const inReference = Math.max(0, reference.length - n + 1);
  const inPrediction = Math.max(0, prediction.length - n + 1);
  const counts = new Map<number, number>();
  const [referenceGrams, predictionGrams] = ngramIds(reference, prediction, n);
  for (const gram of referenceGrams) counts.set(gram, (counts.get(gram) ?? 0) + 1);
  let hits = 0;
  for (const gram of predictionGrams) {
    const left = counts.get(gram) ?? 0;
    if (left > 0) {
      counts.set(gram, left - 1);
      hits++;
    }
  }
  return { hits, inReference, inPrediction };
}

/** Numbers for the n-grams of two lists: an n-gram is its first n − 1 words' number and its last word. */
function ngramIds(a: Int32Array, b: Int32Array, n: number): [Int32Array, Int32Array] {
  let [left, right] = [a, b];
  const radix = a.length + b.length + 1;
  for (let size = 2; size <= n; size++) {
    const ids = new Map<number, number>();
    const lengthen = (shorter: Int32Array, words: Int32Array) =>
      Int32Array.from({ length: Math.max(0, words.length - size + 1) }, (_, i) => {
        const key = (shorter[i] as number) * radix + (words[i + size - 1] as number);
        let id = ids.get(key);
        if (id === undefined) {
          id = ids.size;
          ids.set(key, id);
        }
        return id;
      });
    [left, right] = [lengthen(left, a), lengthen(right, b)];
  }
  return [left, right];
}

export function lcsOverlap(reference: Int32Array, prediction: Int32Array): Overlap {
  const hits = lcsLength(reference, prediction);
  return { hits, inReference: reference.length, inPrediction: prediction.length };
}

/**
 * The summary-level LCS of rougeLsum (Lin 2004, section 3.2): of each reference sentence, the words that a longest common subsequence with
 * any predicted sentence has; each word counts as often as both texts have it.
 */
export function summaryLcsOverlap(reference: string, prediction: string, stemmer: boolean): Overlap {
  const ids = new WordIds();
  const sentences = (text: string) =>
    text
      .split("\n")
      .filter((line) => line.length > 0)
      .map((line) => ids.of(rougeTokens(line, stemmer)));
  const referenceSentences = sentences(reference);
  const predictionSentences = sentences(prediction);
  const count = (lists: readonly Int32Array[]) => lists.reduce((sum, list) => sum + list.length, 0);
  const inReference = count(referenceSentences);
  const inPrediction = count(predictionSentences);
  if (inReference === 0 || inPrediction === 0) return NOTHING;

  const leftInReference = wordCounts(referenceSentences);
  const leftInPrediction = wordCounts(predictionSentences);
  let hits = 0;
  for (const sentence of referenceSentences) {
    const marks = new Uint8Array(sentence.length);
    for (const candidate of predictionSentences) markLcs(sentence, candidate, marks);
    for (const [i, word] of sentence.entries()) {
      const here = leftInReference.get(word) ?? 0;
      const there = leftInPrediction.get(word) ?? 0;
      if (marks[i] === 0 || here === 0 || there === 0) continue;
      leftInReference.set(word, here - 1);
      leftInPrediction.set(word, there - 1);
      hits++;
    }
  }
  return { hits, inReference, inPrediction };
}

function wordCounts(sentences: readonly Int32Array[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const sentence of sentences)
    for (const word of sentence) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}
