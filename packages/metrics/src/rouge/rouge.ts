import { checkOptions, flag, listOf, oneOf } from "@vlmopt/options";
import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { WordIds } from "../text/word-ids.ts";
import { lcsLength } from "./longest-common-subsequence.ts";
import { lcsOverlap, ngramOverlap, type Overlap, summaryLcsOverlap } from "./overlap.ts";
import { rougeTokens } from "./tokenize.ts";

export type RougeType = `rouge${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}` | "rougeL" | "rougeLsum";

const TYPES: readonly RougeType[] = [
  ...([1, 2, 3, 4, 5, 6, 7, 8, 9] as const).map((size) => `rouge${size}` as const),
  "rougeL",
  "rougeLsum",
];

export interface RougeOptions {
  /** rouge1, rouge2, rougeL and rougeLsum unless told. */
  readonly types?: readonly RougeType[];
  /** Porter's stemmer on words longer than three letters; off unless told, as in rouge_score. */
  readonly stemmer?: boolean;
}

/**
 * ROUGE (Lin 2004) as google's `rouge_score` computes it. For each type, `rouge1` is F1, beside `rouge1-precision` and `rouge1-recall`; of
 * several references the one of highest F1 counts. rougeLsum takes each line for a sentence. Corpus figures are means.
 */
export function rouge(options: RougeOptions = {}): Metric {
  checkOptions("rouge", options, { types: listOf(oneOf(TYPES), { least: 1 }), stemmer: flag });
  const { types = ["rouge1", "rouge2", "rougeL", "rougeLsum"], stemmer = false } = options;
  const figures = types.flatMap((type) => [type, `${type}-precision`, `${type}-recall`]);
  const name = signature("rouge", {
    variant: "google",
    types: types.join("+"),
    tok: "a-z0-9",
    stem: stemmer ? "porter-nltk" : "no",
  });
  return meanMetric("rouge", figures, name, (prediction, references) => {
    const best = new Float64Array(figures.length);
    const predictionTokens = rougeTokens(prediction, stemmer);
    for (const [n, reference] of references.entries()) {
      const ids = new WordIds();
      const referenceIds = ids.of(rougeTokens(reference, stemmer));
      const predictionIds = ids.of(predictionTokens);
      for (const [i, type] of types.entries()) {
        const overlap =
          type === "rougeLsum"
            ? summaryLcsOverlap(reference, prediction, stemmer)
            : type === "rougeL"
              ? lcsOverlap(referenceIds, predictionIds)
              : ngramOverlap(referenceIds, predictionIds, Number(type.slice(5)));
        const { f1, precision, recall } = ratios(overlap);
        if (n === 0 || f1 > (best[3 * i] as number)) best.set([f1, precision, recall], 3 * i);
      }
    }
    return best;
  });
}

function ratios({ hits, inReference, inPrediction }: Overlap): {
  f1: number;
  precision: number;
  recall: number;
} {
  const precision = hits / Math.max(1, inPrediction);
  const recall = hits / Math.max(1, inReference);
  return {
    precision,
    recall,
    f1: precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0,
  };
}

/** Recall counts this much more than precision, squared. */
const COCO_BETA = 1.2;

/**
 * ROUGE-L as the COCO caption evaluation computes it: tokens as the text has them, parted by single blanks; of several references the
 * highest precision and the highest recall, each on its own; F with β = 1.2.
 */
export function cocoRougeL(): Metric {
  const name = signature("rouge-coco", { variant: "coco", beta: COCO_BETA, tok: "blanks" });
  return meanMetric("rouge-coco", ["rougeL"], name, (prediction, references) => {
    const words = prediction.split(" ");
    let [precision, recall] = [0, 0];
    for (const reference of references) {
      const ids = new WordIds();
      const theirs = reference.split(" ");
      const hits = lcsLength(ids.of(theirs), ids.of(words));
      precision = Math.max(precision, hits / words.length);
      recall = Math.max(recall, hits / theirs.length);
    }
    const beta2 = COCO_BETA ** 2;
    const score =
      precision > 0 && recall > 0 ? ((1 + beta2) * precision * recall) / (recall + beta2 * precision) : 0;
    return Float64Array.of(score);
  });
}
