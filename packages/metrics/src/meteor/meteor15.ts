import { checkOptions, name as nameRule, oneOf } from "@vlmopt/options";
import { assertPaired, type Metric, sumOf } from "../metric.ts";
import { signature } from "../signature.ts";
import { chooseMatches } from "./meteor15-alignment.ts";
import { Lexicon } from "./meteor15-lexicon.ts";
import { findMatches } from "./meteor15-matches.ts";
import { meteor15Words } from "./meteor15-normalize.ts";
import { ParaphraseTable } from "./meteor15-paraphrases.ts";
import { STATISTICS, scoreOf, statisticsOf, weights } from "./meteor15-statistics.ts";

export interface Meteor15Options {
  readonly variant: "1.5";
  /**
   * Path of METEOR's table of English paraphrases (`paraphrase-en.gz`, part of the tool, not of this package). Without it that module is
   * left out, as with the tool's `-m "exact stem synonym"`, and scores are lower; the signature says so.
   */
  readonly paraphrases?: string;
}

/**
 * METEOR 1.5 (Denkowski & Lavie 2014) as the Java tool computes it with `-l en -norm`. Of several references the first of the best score
 * counts; a corpus is scored by the sum of its items' statistics, not by a mean.
 */
export function meteor15(options: Meteor15Options): Metric {
  checkOptions("meteor", options, { variant: oneOf(["1.5"]), paraphrases: nameRule });
  const { paraphrases } = options;
  const table = paraphrases === undefined ? undefined : paraphraseTable(paraphrases);
  const name = signature("meteor", {
    variant: "1.5",
    lang: "en",
    norm: "yes",
    stem: "snowball-english",
    wordnet: "3.0",
    paraphrases: paraphrases === undefined ? "absent" : (paraphrases.split(/[\\/]/).at(-1) ?? paraphrases),
    ...weights,
  });
  const statistics = (prediction: string, references: readonly string[]): Float64Array => {
    lexicon ??= new Lexicon();
    const words = (text: string) => meteor15Words(text).map((word) => (lexicon as Lexicon).word(word));
    const hypothesis = words(prediction);
    let best: Float64Array | undefined;
    for (const text of references) {
      const reference = words(text);
      const matches = chooseMatches(findMatches(hypothesis, reference, table), hypothesis.length);
      const found = statisticsOf(hypothesis, reference, matches);
      if (best === undefined || scoreOf(found) > scoreOf(best)) best = found;
    }
    return best ?? new Float64Array(STATISTICS);
  };
  const aggregate = (sum: Float64Array) => ({ meteor: scoreOf(sum) });
  return {
    name: "meteor",
    figures: ["meteor"],
    signature: name,
    aggregate,
    score: (prediction, references) => aggregate(statistics(prediction, references)),
    corpus(predictions, references) {
      assertPaired(predictions, references);
      const all = predictions.map((prediction, i) => statistics(prediction, references[i] ?? []));
      return {
        signature: name,
        aggregate: aggregate(sumOf(all, STATISTICS)),
        items: all.map(aggregate),
        statistics: all,
      };
    },
  };
}

/** What was learnt of words serves all metrics. */
let lexicon: Lexicon | undefined;

/** Tables take seconds to read. */
const tables = new Map<string, ParaphraseTable>();

function paraphraseTable(path: string): ParaphraseTable {
  let table = tables.get(path);
  if (table === undefined) {
    table = new ParaphraseTable(path);
    tables.set(path, table);
  }
  return table;
}
