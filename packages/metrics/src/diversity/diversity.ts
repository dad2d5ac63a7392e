import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { NgramIds } from "../text/ngrams.ts";
import { splitWords } from "../text/python-classes.ts";
import { WordIds } from "../text/word-ids.ts";

/** Different n-grams of an answer as a share of all of its (Li et al. 2016), for one word and for two; 0 where it has none. References play no part. */
export function distinct(): Metric {
  const name = signature("distinct", { tok: "blanks", case: "lc" });
  return meanMetric(
    "distinct",
    ["distinct-1", "distinct-2"],
    name,
    (prediction) => {
      const words = new WordIds();
      const ids = words.of(splitWords(prediction.toLowerCase()));
      const ngrams = new NgramIds(2, words.size);
      const found = ngrams.of(ids);
      return Float64Array.from(found, ({ length }, n) => (length === 0 ? 0 : ngrams.size(n + 1) / length));
    },
    { referenceFree: true },
  );
}

/** Words and characters (code points) of an answer. References play no part. */
export function answerLength(): Metric {
  const name = signature("length", { tok: "blanks" });
  return meanMetric(
    "length",
    ["length", "length-characters"],
    name,
    (prediction) => Float64Array.of(splitWords(prediction).length, [...prediction].length),
    { mean: "number", referenceFree: true },
  );
}
