import type { LexiconWord } from "./meteor15-lexicon.ts";
import type { Match } from "./meteor15-matches.ts";

/**
 * Sufficient statistics of METEOR 1.5, in the order in which the tool prints them: lengths and function words of hypothesis and reference
 * (4); for each of four modules the content words and then the function words that it matched, on either side (4 × 4); chunks; words
 * matched on either side (2). Then, which the tool keeps to itself, the chunks that count in a corpus: none of an item that is one chunk
 * and all matched.
 */
export const STATISTICS = 24;
const [LENGTH, REFERENCE_LENGTH, FUNCTION, REFERENCE_FUNCTION, MODULES] = [0, 1, 2, 3, 4];
const [CHUNKS, MATCHED, REFERENCE_MATCHED, CORPUS_CHUNKS] = [20, 21, 22, 23];

/** Weights that the tool's authors tuned to rankings by people, for English: the tool's default. */
const [ALPHA, BETA, GAMMA, DELTA] = [0.85, 0.2, 0.6, 0.75];
/** Exact, stem, synonym, paraphrase. */
const MODULE_WEIGHTS = [1, 0.6, 0.8, 0.6];
/** For signatures. */
export const weights = { alpha: ALPHA, beta: BETA, gamma: GAMMA, delta: DELTA };

export function statisticsOf(
  hypothesis: readonly LexiconWord[],
  reference: readonly LexiconWord[],
  matches: readonly Match[],
): Float64Array {
  const statistics = new Float64Array(STATISTICS);
  const count = (index: number, by = 1) => {
    statistics[index] = (statistics[index] as number) + by;
  };
  count(LENGTH, hypothesis.length);
  count(REFERENCE_LENGTH, reference.length);
  for (const { isFunctionWord } of hypothesis) if (isFunctionWord) count(FUNCTION);
  for (const { isFunctionWord } of reference) if (isFunctionWord) count(REFERENCE_FUNCTION);
  let [next, hypothesisNext] = [-1, -1];
  for (const { module, start, length, hypothesisStart, hypothesisLength } of matches) {
    const at = MODULES + 4 * module;
    for (let i = 0; i < hypothesisLength; i++)
      count(at + (hypothesis[hypothesisStart + i]?.isFunctionWord ? 2 : 0));
    for (let i = 0; i < length; i++) count(at + (reference[start + i]?.isFunctionWord ? 3 : 1));
    count(MATCHED, hypothesisLength);
    count(REFERENCE_MATCHED, length);
    if (start !== next || hypothesisStart !== hypothesisNext) count(CHUNKS);
    [next, hypothesisNext] = [start + length, hypothesisStart + hypothesisLength];
  }
  const isWhole =
    matches.length > 0 &&
    statistics[CHUNKS] === 1 &&
    statistics[MATCHED] === hypothesis.length &&
    statistics[REFERENCE_MATCHED] === reference.length;
  count(CORPUS_CHUNKS, isWhole ? 0 : statistics[CHUNKS]);
  return statistics;
}

/**
 * The score of one item's statistics, or of the sum of many: fmean·(1 − γ·(chunks / matches)^β), where precision and recall weigh matches
 * by module, and content words against function words by δ : 1 − δ. 0 where nothing matches.
 */
export function scoreOf(statistics: Float64Array): number {
  const at = (index: number) => statistics[index] as number;
  const length = (all: number, functions: number) =>
    DELTA * (at(all) - at(functions)) + (1 - DELTA) * at(functions);
  const matched = (side: 0 | 1) => {
    let sum = 0;
    for (const [i, weight] of MODULE_WEIGHTS.entries()) sum += at(MODULES + 4 * i + side) * weight * DELTA;
    for (const [i, weight] of MODULE_WEIGHTS.entries()) {
      sum += at(MODULES + 4 * i + 2 + side) * weight * (1 - DELTA);
    }
    return sum;
  };
  const precision = matched(0) / length(LENGTH, FUNCTION);
  const recall = matched(1) / length(REFERENCE_LENGTH, REFERENCE_FUNCTION);
  const mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall);
  const fragmentation = at(CORPUS_CHUNKS) / ((at(MATCHED) + at(REFERENCE_MATCHED)) / 2);
  const score = mean * (1 - GAMMA * fragmentation ** BETA);
  return Number.isNaN(score) ? 0 : Math.max(score, 0);
}
