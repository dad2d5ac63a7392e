import type { LexiconWord } from "./meteor15-lexicon.ts";
import type { ParaphraseTable } from "./meteor15-paraphrases.ts";

/** Words start … start + length − 1 of the reference may be matched with those from `hypothesisStart` on of the hypothesis. */
export interface Match {
  /** The stage that found it: 0 exact, 1 stem, 2 synonym, 3 paraphrase. */
  readonly module: number;
  readonly start: number;
  readonly length: number;
  readonly hypothesisStart: number;
  readonly hypothesisLength: number;
}

/** Every match that any module finds. */
export interface Candidates {
  /** By the word of the reference where they start; a stage's after those of the stages before. */
  readonly at: readonly Match[][];
  /** How many matches each word of the hypothesis takes part in. */
  readonly hypothesisCoverage: Int32Array;
  readonly referenceCoverage: Int32Array;
}

/** A hypothesis that is its reference is matched word by word and no further. */
export function findMatches(
  hypothesis: readonly LexiconWord[],
  reference: readonly LexiconWord[],
  paraphrases?: ParaphraseTable,
): Candidates {
  const candidates: Candidates = {
    at: reference.map(() => []),
    hypothesisCoverage: new Int32Array(hypothesis.length),
    referenceCoverage: new Int32Array(reference.length),
  };
  matchWords(candidates, EXACT, hypothesis, reference, (a, b) => a.hash === b.hash);
  const same =
    hypothesis.length === reference.length && hypothesis.every((word, i) => word.hash === reference[i]?.hash);
  if (same) return candidates;
  matchWords(
    candidates,
    STEM,
    hypothesis,
    reference,
    (a, b) => a.stemHash === b.stemHash && a.hash !== b.hash,
  );
  matchWords(
    candidates,
    SYNONYM,
    hypothesis,
    reference,
    (a, b) => a.hash !== b.hash && shareNumber(a.synsets, b.synsets),
  );
  if (paraphrases !== undefined) matchParaphrases(candidates, hypothesis, reference, paraphrases);
  return candidates;
}

const [EXACT, STEM, SYNONYM, PARAPHRASE] = [0, 1, 2, 3];

function matchWords(
  candidates: Candidates,
  module: number,
  hypothesis: readonly LexiconWord[],
  reference: readonly LexiconWord[],
  matches: (a: LexiconWord, b: LexiconWord) => boolean,
): void {
  for (let start = 0; start < reference.length; start++) {
    const word = reference[start] as LexiconWord;
    for (let i = 0; i < hypothesis.length; i++) {
      if (!matches(hypothesis[i] as LexiconWord, word)) continue;
      add(candidates, { module, start, length: 1, hypothesisStart: i, hypothesisLength: 1 });
    }
  }
}

/** Phrases of the reference whose paraphrase is in the hypothesis, then phrases of the hypothesis whose paraphrase is in the reference. */
function matchParaphrases(
  candidates: Candidates,
  hypothesis: readonly LexiconWord[],
  reference: readonly LexiconWord[],
  table: ParaphraseTable,
): void {
  const hypothesisTexts = hypothesis.map(({ text }) => text);
  const referenceTexts = reference.map(({ text }) => text);
  table.forEachPair(referenceTexts, hypothesisTexts, (start, length, hypothesisStart, hypothesisLength) => {
    add(candidates, { module: PARAPHRASE, start, length, hypothesisStart, hypothesisLength });
  });
  table.forEachPair(hypothesisTexts, referenceTexts, (hypothesisStart, hypothesisLength, start, length) => {
    add(candidates, { module: PARAPHRASE, start, length, hypothesisStart, hypothesisLength });
  });
}

function add({ at, hypothesisCoverage, referenceCoverage }: Candidates, match: Match): void {
  (at[match.start] as Match[]).push(match);
  cover(hypothesisCoverage, match.hypothesisStart, match.hypothesisLength);
  cover(referenceCoverage, match.start, match.length);
}

function cover(coverage: Int32Array, start: number, length: number): void {
  for (let i = start; i < start + length; i++) coverage[i] = (coverage[i] as number) + 1;
}

/** Whether two ascending lists have a number in common. */
function shareNumber(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    const difference = (a[i] as number) - (b[j] as number);
    if (difference === 0) return true;
    if (difference < 0) i++;
    else j++;
  }
  return false;
}
