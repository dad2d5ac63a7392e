import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { splitWords } from "../text/python-classes.ts";

/** Whether the prediction is a reference, after SQuAD's normalisation (Rajpurkar et al. 2016). */
export function exactMatch(): Metric {
  const name = signature("exact-match", { norm: "squad" });
  return meanMetric("exact-match", ["exact-match"], name, (prediction, references) => {
    const own = normalise(prediction).join(" ");
    return Float64Array.of(references.some((reference) => normalise(reference).join(" ") === own) ? 1 : 0);
  });
}

/** F1 of the words in common, after SQuAD's normalisation; of several references the best. Where either is empty: whether both are. */
export function tokenF1(): Metric {
  const name = signature("token-f1", { norm: "squad", empty: "v2" });
  return meanMetric("token-f1", ["token-f1"], name, (prediction, references) => {
    const own = normalise(prediction);
    return Float64Array.of(Math.max(...references.map((reference) => f1(own, normalise(reference)))));
  });
}

/** Small letters, no ASCII punctuation, no articles. */
function normalise(text: string): string[] {
  const bare = text.toLowerCase().replace(/[!-/:-@[-`{-~]/g, "");
  return splitWords(bare.replace(/(?<![\p{L}\p{N}_])(a|an|the)(?![\p{L}\p{N}_])/gu, " "));
}

function f1(prediction: readonly string[], reference: readonly string[]): number {
  if (prediction.length === 0 || reference.length === 0)
    return prediction.length === reference.length ? 1 : 0;
  const left = new Map<string, number>();
  for (const word of reference) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of prediction) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    common++;
  }
  return (2 * common) / (prediction.length + reference.length);
}
