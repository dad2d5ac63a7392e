import { checkOptions, flag, oneOf } from "@vlmopt/options";
import { assertPaired, type Metric, sumOf } from "../metric.ts";
import { signature } from "../signature.ts";
import { splitWords } from "../text/python-classes.ts";
import { BLEU_ORDERS, type BleuStatistics, bleuStatistics, readStatistics } from "./statistics.ts";
import { type BleuTokenizer, bleuWords } from "./tokenizers.ts";

export interface BleuOptions {
  /** 13a unless told. */
  readonly tokenizer?: BleuTokenizer;
  readonly lowercase?: boolean;
  /** For orders of which nothing matches: exp (NIST's) unless told, floor, add-k, or none. */
  readonly smoothing?: "exp" | "floor" | "add-k" | "none";
}

/**
 * BLEU (Papineni et al. 2002) as sacrebleu 2 computes it, from 0 to 100. A corpus' figure comes from summed counts; of one item, only orders
 * count that it is long enough for (`eff:yes`), as sacrebleu advises.
 */
export function bleu(options: BleuOptions = {}): Metric {
  checkOptions("bleu", options, {
    tokenizer: oneOf(["13a", "none", "char", "intl"]),
    lowercase: flag,
    smoothing: oneOf(["exp", "floor", "add-k", "none"]),
  });
  const { tokenizer = "13a", lowercase = false, smoothing = "exp" } = options;
  const name = signature("bleu", {
    case: lowercase ? "lc" : "mixed",
    eff: "no",
    tok: tokenizer,
    smooth: smoothing in smoothValues ? `${smoothing}[${smoothValues[smoothing]?.toFixed(2)}]` : smoothing,
  });
  const words = (text: string) => bleuWords(lowercase ? text.toLowerCase() : text, tokenizer);
  const statistics = (prediction: string, references: readonly string[]) =>
    bleuStatistics(words(prediction), references.map(words));
  return countingMetric("bleu", ["bleu"], name, statistics, {
    item: (counts) => [sacreBleu(counts, smoothing, true)],
    corpus: (counts) => [sacreBleu(counts, smoothing, false)],
  });
}

/** Bleu_1 to Bleu_4 of the COCO caption evaluation, from 0 to 1: words as blanks part them, tiny numbers added everywhere. */
export function cocoBleu(): Metric {
  const name = signature("bleu-coco", { variant: "coco", tok: "blanks", reflen: "closest" });
  const figures = ["bleu1", "bleu2", "bleu3", "bleu4"];
  const statistics = (prediction: string, references: readonly string[]) =>
    bleuStatistics(splitWords(prediction), references.map(splitWords));
  return countingMetric("bleu-coco", figures, name, statistics, { item: cocoScores, corpus: cocoScores });
}

/** A metric whose corpus figures come from sums of counts. */
function countingMetric(
  name: string,
  figures: readonly string[],
  signatureText: string,
  statisticsOf: (prediction: string, references: readonly string[]) => Float64Array,
  scores: Readonly<Record<"item" | "corpus", (counts: BleuStatistics) => readonly number[]>>,
): Metric {
  const named = (values: readonly number[]) =>
    Object.fromEntries(figures.map((figure, i) => [figure, values[i] as number]));
  const item = (statistics: Float64Array) => named(scores.item(readStatistics(statistics)));
  const aggregate = (sum: Float64Array) => named(scores.corpus(readStatistics(sum)));
  return {
    name,
    figures,
    signature: signatureText,
    aggregate,
    score: (prediction, references) => item(statisticsOf(prediction, references)),
    corpus(predictions, references) {
      assertPaired(predictions, references);
      const statistics = predictions.map((prediction, i) => statisticsOf(prediction, references[i] ?? []));
      return {
        signature: signatureText,
        aggregate: aggregate(sumOf(statistics, 2 + 2 * BLEU_ORDERS)),
        items: statistics.map(item),
        statistics,
      };
    },
  };
}

/** What is added where nothing matches, of the smoothings that add something. */
const smoothValues: Readonly<Record<string, number>> = { floor: 0.1, "add-k": 1 };

function sacreBleu(
  { length, referenceLength, common, total }: BleuStatistics,
  smoothing: string,
  effectiveOrder: boolean,
): number {
  if (common.every((count) => count === 0)) return 0;
  const value = smoothValues[smoothing] ?? 0;
  let [logSum, orders, missed] = [0, BLEU_ORDERS, 1];
  for (let n = 0; n < BLEU_ORDERS; n++) {
    const added = smoothing === "add-k" && n > 0 ? value : 0;
    const [hits, all] = [(common[n] as number) + added, (total[n] as number) + added];
    if (all === 0) {
      if (!effectiveOrder) return 0;
      break;
    }
    if (effectiveOrder) orders = n + 1;
    if (hits > 0) logSum += Math.log((100 * hits) / all);
    else if (smoothing === "exp") {
      missed *= 2;
      logSum += Math.log(100 / (missed * all));
    } else if (smoothing === "floor") logSum += Math.log((100 * value) / all);
    else return 0;
  }
  const penalty = length < referenceLength ? Math.exp(1 - referenceLength / length) : 1;
  return penalty * Math.exp(logSum / orders);
}

const [SMALL, TINY] = [1e-9, 1e-15];

function cocoScores({ length, referenceLength, common, total }: BleuStatistics): number[] {
  const ratio = (length + TINY) / (referenceLength + SMALL);
  const penalty = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return common.map((count, n) => {
    product *= (count + TINY) / ((total[n] as number) + SMALL);
    return product ** (1 / (n + 1)) * penalty;
  });
}
