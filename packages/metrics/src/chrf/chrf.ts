import { checkOptions, flag, whole } from "@vlmopt/options";
import { assertPaired, type Metric, sumOf } from "../metric.ts";
import { signature } from "../signature.ts";
import { commonCount, countIds, NgramIds } from "../text/ngrams.ts";
import { splitWords } from "../text/python-classes.ts";
import { WordIds } from "../text/word-ids.ts";

export interface ChrfOptions {
  /** Longest n-grams of words that count besides those of characters: 0 unless told, 2 for chrF++. */
  readonly wordOrder?: number;
  readonly lowercase?: boolean;
}

const CHARACTER_ORDER = 6;
/** Recall counts this much more than precision, squared. */
const BETA = 2;

/** chrF (Popović 2015) and chrF++ as sacrebleu 2 computes them, from 0 to 100: n-grams of characters without the blanks between. */
export function chrf(options: ChrfOptions = {}): Metric {
  checkOptions("chrf", options, { wordOrder: whole({ from: 0, to: 9 }), lowercase: flag });
  const { wordOrder = 0, lowercase = false } = options;
  const name = wordOrder === 0 ? "chrf" : wordOrder === 2 ? "chrf++" : `chrf-${wordOrder}`;
  const signatureText = signature(name, {
    case: lowercase ? "lc" : "mixed",
    eff: "yes",
    nc: CHARACTER_ORDER,
    nw: wordOrder,
    space: "no",
  });
  const cased = (text: string) => (lowercase ? text.toLowerCase() : text);
  const statisticsOf = (prediction: string, references: readonly string[]) =>
    bestStatistics(cased(prediction), references.map(cased), wordOrder);
  const aggregate = (sum: Float64Array) => ({ [name]: fScore(sum) });
  return {
    name,
    figures: [name],
    signature: signatureText,
    aggregate,
    score: (prediction, references) => aggregate(statisticsOf(prediction, references)),
    corpus(predictions, references) {
      assertPaired(predictions, references);
      const statistics = predictions.map((prediction, i) => statisticsOf(prediction, references[i] ?? []));
      return {
        signature: signatureText,
        aggregate: aggregate(sumOf(statistics, 3 * (CHARACTER_ORDER + wordOrder))),
        items: statistics.map(aggregate),
        statistics,
      };
    },
  };
}

/** Against the reference of highest F: of each order the prediction's n-grams, the reference's, and common ones. */
function bestStatistics(prediction: string, references: readonly string[], wordOrder: number): Float64Array {
  const views = [
    { orders: CHARACTER_ORDER, units: (text: string) => [...splitWords(text).join("")] },
    { orders: wordOrder, units: wordsApart },
  ]
    .filter(({ orders }) => orders > 0)
    .map(({ orders, units }) => {
      const words = new WordIds();
      const ids = [prediction, ...references].map((text) => words.of(units(text)));
      const ngrams = new NgramIds(orders, words.size);
      return { ngrams, texts: ids.map((text) => ngrams.of(text)) };
    });
  let best = new Float64Array(3 * (CHARACTER_ORDER + wordOrder));
  let highest = -1;
  for (const i of references.keys()) {
    const statistics: number[] = [];
    for (const { ngrams, texts } of views) {
      for (const [n, theirs] of (texts[i + 1] ?? []).entries()) {
        const mine = texts[0]?.[n] as Int32Array;
        const size = ngrams.size(n + 1);
        const common = commonCount(countIds(mine, size), countIds(theirs, size));
        statistics.push(theirs.length === 0 ? 0 : mine.length, theirs.length, common);
      }
    }
    const candidate = Float64Array.from(statistics);
    const score = fScore(candidate);
    if (score > highest) [best, highest] = [candidate, score];
  }
  return best;
}

/** F of mean precision and mean recall over the orders that both sides are long enough for. */
function fScore(statistics: Float64Array): number {
  let [precision, recall, orders] = [0, 0, 0];
  for (let i = 0; i < statistics.length; i += 3) {
    const [mine, theirs, common] = statistics.subarray(i, i + 3) as unknown as [number, number, number];
    if (mine === 0 || theirs === 0) continue;
    precision += common / mine;
    recall += common / theirs;
    orders++;
  }
  if (precision + recall === 0) return 0;
  const [p, r] = [precision / orders, recall / orders];
  return (100 * (1 + BETA ** 2) * p * r) / (BETA ** 2 * p + r);
}

const PUNCTUATION = new Set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~");

/** Words, with a punctuation mark at their end, or else at their beginning, apart. */
function wordsApart(text: string): string[] {
  return splitWords(text).flatMap((word) => {
    const characters = [...word];
    const [first, last] = [characters[0] as string, characters.at(-1) as string];
    if (characters.length === 1) return [word];
    if (PUNCTUATION.has(last)) return [word.slice(0, -1), last];
    return PUNCTUATION.has(first) ? [first, word.slice(1)] : [word];
  });
}
