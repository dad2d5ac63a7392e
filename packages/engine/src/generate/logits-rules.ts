/** What may not come, or less likely, whatever the model thinks: logits are changed by it before a token is chosen, as transformers' processors do. */
export interface LogitsRules {
  /** Logits of tokens that were there before are divided by it where above 0, else multiplied (arXiv:1909.05858); 1 changes nothing. */
  readonly repetitionPenalty: number;
  /** No run of so many tokens comes twice, the prompt's counted; 0 allows all. */
  readonly noRepeatNgramSize: number;
  /** Runs of tokens that never come. */
  readonly badWords: readonly (readonly number[])[];
  /** Tokens that never come. */
  readonly suppressed: readonly number[];
  /** Tokens that do not come first. */
  readonly beginSuppressed: readonly number[];
  /** Tokens of prompt and answer together before which no end token comes. */
  readonly minLength: number;
}

export const noRules: LogitsRules = {
  repetitionPenalty: 1,
  noRepeatNgramSize: 0,
  badWords: [],
  suppressed: [],
  beginSuppressed: [],
  minLength: 0,
};

/** Whether rules depend on the tokens that were there before, so that those must be known when the next is chosen. */
export function needsEarlierTokens({ repetitionPenalty, noRepeatNgramSize, badWords }: LogitsRules): boolean {
  return repetitionPenalty !== 1 || noRepeatNgramSize > 0 || badWords.some((word) => word.length > 1);
}

/** Tokens that may not come at a step of an answer, whatever was there before. */
export function excludedTokens(
  { badWords, suppressed, beginSuppressed, minLength }: LogitsRules,
  {
    step,
    promptTokens,
    minNewTokens,
    endTokens,
  }: {
    readonly step: number;
    readonly promptTokens: number;
    readonly minNewTokens: number;
    readonly endTokens: readonly number[];
  },
): number[] {
  const isShort = step < minNewTokens || promptTokens + step < minLength;
  const always = badWords.flatMap((word) =>
    word.length === 1 && !endTokens.includes(word[0] as number) ? word : [],
  );
  return [...always, ...suppressed, ...(step === 0 ? beginSuppressed : []), ...(isShort ? endTokens : [])];
}

/**
 * Changes logits `[vocabSize]` by the tokens that were there before.
 * @param ids those of the prompt and of the answer so far
 */
export function applyEarlierTokens(logits: Float32Array, rules: LogitsRules, ids: readonly number[]): void {
  const { repetitionPenalty: penalty, noRepeatNgramSize, badWords } = rules;
  if (penalty !== 1) {
    for (const token of new Set(ids)) {
      const logit = logits[token];
      if (logit !== undefined) logits[token] = logit < 0 ? logit * penalty : logit / penalty;
    }
  }
  for (const token of repeating(ids, noRepeatNgramSize)) logits[token] = Number.NEGATIVE_INFINITY;
  for (const word of badWords) {
    if (word.length > 1 && word.length <= ids.length && endsWith(ids, word.slice(0, -1)))
      logits[word.at(-1) as number] = Number.NEGATIVE_INFINITY;
  }
}

/** Tokens that would make the last `size` tokens a run that was there before. */
function repeating(ids: readonly number[], size: number): number[] {
  if (size === 0 || ids.length + 1 < size) return [];
  const last = ids.slice(ids.length - size + 1);
  const found: number[] = [];
  for (let at = 0; at + size <= ids.length; at++) {
    if (last.every((token, i) => ids[at + i] === token)) found.push(ids[at + size - 1] as number);
  }
  return found;
}

function endsWith(ids: readonly number[], end: readonly number[]): boolean {
  const start = ids.length - end.length;
  return start >= 0 && end.every((token, i) => ids[start + i] === token);
}
