import { assertPaired, type Metric, type Scores } from "../metric.ts";
import { signature } from "../signature.ts";
import { NgramIds } from "../text/ngrams.ts";
import { splitWords } from "../text/python-classes.ts";
import { WordIds } from "../text/word-ids.ts";

const ORDERS = 4;
/** Characters' worth of difference in length, in words, that is let pass. */
const SIGMA = 6;

/**
 * CIDEr-D (Vedantam et al. 2015) as the COCO caption evaluation computes it, from 0 to 10: similarity of n-grams that weigh the more, the
 * fewer items' references hold them. So a corpus of one item scores 0. Words as blanks part them; tokenize before.
 */
export function cider(): Metric {
  const name = signature("cider", { variant: "d", n: ORDERS, sigma: SIGMA, tok: "blanks", df: "references" });
  const aggregate = (sum: Float64Array, count: number): Scores => ({
    cider: count === 0 ? 0 : (sum[0] as number) / count,
  });
  const scoresOf = (predictions: readonly string[], references: readonly (readonly string[])[]) => {
    const words = new WordIds();
    const read = (text: string) => words.of(splitWords(text));
    const [ids, idsOfReferences] = [predictions.map(read), references.map((texts) => texts.map(read))];
    const ngrams = new NgramIds(ORDERS, words.size);
    const own = ids.map((text) => ngrams.of(text));
    const theirs = idsOfReferences.map((texts) => texts.map((text) => ngrams.of(text)));
    const frequencies = documentFrequencies(theirs, ngrams);
    const items = Math.log(references.length);
    const vectors = (text: readonly Int32Array[]) =>
      text.map((ids, n) => weigh(ids, frequencies[n] as Int32Array, items));
    return own.map((prediction, i) => {
      const mine = vectors(prediction);
      const all = theirs[i] ?? [];
      const sum = all.reduce((total, reference) => total + similarity(mine, vectors(reference)), 0);
      return (10 * sum) / (ORDERS * all.length);
    });
  };
  return {
    name: "cider",
    figures: ["cider"],
    needsCorpus: true,
    mean: "number",
    signature: name,
    aggregate,
    score: (prediction, references) => ({ cider: scoresOf([prediction], [references])[0] as number }),
    corpus(predictions, references) {
      assertPaired(predictions, references);
      const scores = scoresOf(predictions, references);
      const sum = scores.reduce((total, score) => total + score, 0);
      return {
        signature: name,
        aggregate: aggregate(Float64Array.of(sum), scores.length),
        items: scores.map((score) => ({ cider: score })),
        statistics: scores.map((score) => Float64Array.of(score)),
      };
    },
  };
}

/** Of each order, items whose references hold an n-gram. */
function documentFrequencies(
  references: readonly (readonly (readonly Int32Array[])[])[],
  ngrams: NgramIds,
): Int32Array[] {
  return Array.from({ length: ORDERS }, (_, n) => {
    const counts = new Int32Array(ngrams.size(n + 1));
    for (const texts of references) {
      for (const id of new Set(texts.flatMap((text) => [...(text[n] as Int32Array)]))) {
        counts[id] = (counts[id] as number) + 1;
      }
    }
    return counts;
  });
}

interface NgramVector {
  /** Weight of each n-gram: how often it occurs, times its inverse document frequency. */
  readonly weights: ReadonlyMap<number, number>;
  readonly norm: number;
  /** N-grams of the text. */
  readonly length: number;
}

function weigh(ids: Int32Array, frequencies: Int32Array, logItems: number): NgramVector {
  const weights = new Map<number, number>();
  for (const id of ids) weights.set(id, (weights.get(id) ?? 0) + 1);
  let squares = 0;
  for (const [id, count] of weights) {
    const weight = count * (logItems - Math.log(Math.max(1, frequencies[id] as number)));
    weights.set(id, weight);
    squares += weight ** 2;
  }
  return { weights, norm: Math.sqrt(squares), length: ids.length };
}

/** Summed over the orders: clipped cosines, less for texts of other lengths (counted in pairs of words, as the reference does). */
function similarity(prediction: readonly NgramVector[], reference: readonly NgramVector[]): number {
  const difference = (prediction[1]?.length ?? 0) - (reference[1]?.length ?? 0);
  const penalty = Math.E ** (-(difference ** 2) / (2 * SIGMA ** 2));
  let sum = 0;
  for (const [n, mine] of prediction.entries()) {
    const theirs = reference[n] as NgramVector;
    let product = 0;
    for (const [id, weight] of mine.weights) {
      const other = theirs.weights.get(id) ?? 0;
      product += Math.min(weight, other) * other;
    }
    if (mine.norm !== 0 && theirs.norm !== 0) product /= mine.norm * theirs.norm;
    sum += product * penalty;
  }
  return sum;
}
