import { checkOptions, either, flag, object, whole } from "@vlmopt/options";
import { type ModelMetric, meanModelMetric } from "../model-metrics/model-metric.ts";
import { signature } from "../signature.ts";
import { strip } from "../text/python-classes.ts";
import { type Baseline, publishedBaseline } from "./baseline.ts";
import type { Encoder } from "./encoder.ts";
import type { Matching } from "./greedy-matching.ts";
import { matchPairs, type Tokens } from "./match-pairs.ts";

export interface BertScoreOptions {
  readonly encoder: Encoder;
  /** Tokens weigh the more, the fewer of the corpus' references hold them; off unless told, and all weigh alike. */
  readonly idf?: boolean;
  /** Makes unrelated sentences score 0: `true` for the baseline that bert_score publishes for the encoder, or one's own. */
  readonly rescale?: boolean | Baseline;
  /** Texts that the encoder gets at once; 64 unless told. */
  readonly batchSize?: number;
}

/**
 * BERTScore (Zhang et al. 2020) as `bert_score` computes it: every token is matched with the most similar one of the other text by the
 * cosine of their embeddings; precision is the mean over the prediction's tokens, recall over the reference's. Of several references
 * the highest precision, recall and F1 count, each on its own. A text without tokens scores 0, before rescaling.
 *
 * One difference: where no token of a text has weight, bert_score's precision (or recall) is NaN; here it is 0, as F1 is in both.
 */
export function bertScore(options: BertScoreOptions): ModelMetric {
  checkOptions(
    "bertScore",
    options,
    {
      encoder: object,
      idf: flag,
      rescale: either(flag, object),
      batchSize: whole(),
    },
    ["encoder"],
  );
  const { encoder, idf = false, rescale = false, batchSize = 64 } = options;
  const baseline = rescale === true ? publishedBaseline(encoder) : rescale || undefined;
  const hash = `${encoder.name}_L${encoder.layer}_${idf ? "idf" : "no-idf"}${baseline ? "-rescaled" : ""}`;
  const name = signature("bertscore", {
    hash,
    ...(baseline ? { baseline: [baseline.precision, baseline.recall, baseline.f1].join("+") } : {}),
  });
  const figures = ["bertscore", "bertscore-precision", "bertscore-recall"];
  const metric = meanModelMetric("bertscore", figures, name, async (predictions, references) => {
    const pairs = predictions.flatMap((prediction, item) =>
      (references[item] ?? []).map((reference) => ({
        item,
        candidate: strip(prediction),
        reference: strip(reference),
      })),
    );
    const { matchings, tokens } = await matchPairs(pairs, encoder, batchSize);
    const weigh = idf
      ? inverseDocumentFrequency(pairs.map(({ reference }) => tokens.get(reference) as Tokens))
      : () => 1;
    const best = predictions.map(() => new Float64Array(3).fill(Number.NEGATIVE_INFINITY));
    for (const [i, { item, candidate, reference }] of pairs.entries()) {
      const texts = [tokens.get(candidate) as Tokens, tokens.get(reference) as Tokens] as const;
      const scores = scorePair(matchings[i] as Matching, ...texts, weigh);
      const highest = best[item] as Float64Array;
      for (const [k, score] of scores.entries()) highest[k] = Math.max(highest[k] as number, score);
    }
    if (baseline === undefined) return best;
    const floor = [baseline.f1, baseline.precision, baseline.recall];
    return best.map((scores) => scores.map((x, k) => (x - (floor[k] ?? 0)) / (1 - (floor[k] ?? 0))));
  });
  return idf ? { ...metric, needsCorpus: true } : metric;
}

/** F1, precision and recall of one pair. */
function scorePair(
  matching: Matching,
  candidate: Tokens,
  reference: Tokens,
  weigh: (id: number) => number,
): [number, number, number] {
  if (isEmpty(candidate) || isEmpty(reference)) return [0, 0, 0];
  const precision = weightedMean(matching.candidate, candidate, weigh);
  const recall = weightedMean(matching.reference, reference, weigh);
  const f1 = precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall);
  return [f1, precision, recall];
}

/** [CLS] and [SEP] alone. A text that spells out a special token is not empty, though nothing of it has weight. */
function isEmpty({ special }: Tokens): boolean {
  return special.length <= 2 && Array.prototype.every.call(special, (mark) => mark === 1);
}

function weightedMean(values: Float32Array, { ids, special }: Tokens, weigh: (id: number) => number): number {
  let [sum, weights] = [0, 0];
  for (let t = 0; t < values.length; t++) {
    if (special[t] === 1) continue;
    const weight = weigh(ids[t] as number);
    sum += weight * (values[t] as number);
    weights += weight;
  }
  return weights > 0 ? sum / weights : 0;
}

/** log((N + 1) / (n + 1)) for a token that n of N references hold. */
function inverseDocumentFrequency(references: readonly Tokens[]): (id: number) => number {
  const holding = new Map<number, number>();
  for (const { ids } of references) {
    for (const id of new Set(Array.from(ids))) holding.set(id, (holding.get(id) ?? 0) + 1);
  }
  return (id) => Math.log((references.length + 1) / ((holding.get(id) ?? 0) + 1));
}
