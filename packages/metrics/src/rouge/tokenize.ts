import { porterStem } from "../text/porter-stemmer.ts";

/** Stems met so far: a corpus has far fewer words than tokens. Dropped when it grows past any corpus's vocabulary. */
const stems = new Map<string, string>();
const MOST_STEMS = 500_000;

/**
 * Tokens as google's rouge_score has them: lower-cased runs of a–z and 0–9, all else being white space (letters beyond ASCII vanish); with
 * `stemmer`, words longer than three letters are stemmed.
 */
export function rougeTokens(text: string, stemmer: boolean): string[] {
  const tokens = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return stemmer ? tokens.map((token) => (token.length > 3 ? cachedStem(token) : token)) : tokens;
}

function cachedStem(word: string): string {
  let stem = stems.get(word);
  if (stem === undefined) {
    stem = porterStem(word);
    if (stems.size >= MOST_STEMS) stems.clear();
    stems.set(word, stem);
  }
  return stem;
}
