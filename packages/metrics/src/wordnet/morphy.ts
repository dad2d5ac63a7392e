import type { PartOfSpeech } from "./parts-of-speech.ts";
import type { WordNet } from "./wordnet.ts";

/** WordNet's detachment rules (Miller et al. 1990, morphy): an ending and what takes its place. */
const RULES: Readonly<Record<PartOfSpeech, readonly (readonly [string, string])[]>> = {
  n: [
    ["s", ""],
    ["ses", "s"],
    ["ves", "f"],
    ["xes", "x"],
    ["zes", "z"],
    ["ches", "ch"],
    ["shes", "sh"],
    ["men", "man"],
    ["ies", "y"],
  ],
  v: [
    ["s", ""],
    ["ies", "y"],
    ["es", "e"],
    ["es", ""],
    ["ed", "e"],
    ["ed", ""],
    ["ing", "e"],
    ["ing", ""],
  ],
  a: [
    ["er", ""],
    ["est", ""],
    ["er", "e"],
    ["est", "e"],
  ],
  r: [],
};

export interface MorphyOptions {
  /**
   * Whether the rules are applied again to what they made, until a lemma turns up: NLTK did until 3.8.1, and no longer does from 3.9 on.
   */
  readonly repeat: boolean;
}

/** Lemmas that a lower-cased word may be a form of, as NLTK finds them: itself, then its irregular or, if it has none, its regular bases. */
export function morphy(
  wordNet: WordNet,
  word: string,
  part: PartOfSpeech,
  { repeat }: MorphyOptions,
): readonly string[] {
  const lemmasAmong = (forms: readonly string[]) =>
    [...new Set(forms)].filter((form) => wordNet.synsetsOfLemma(form, part).length > 0);
  // NLTK keeps the last line of a form that its list has twice.
  const irregular = wordNet.exceptions[part].get(word)?.at(-1);
  if (irregular !== undefined) return lemmasAmong([word, ...irregular]);
  let forms = detach([word], part);
  let lemmas = lemmasAmong([word, ...forms]);
  while (repeat && lemmas.length === 0 && forms.length > 0) {
    forms = detach(forms, part);
    lemmas = lemmasAmong(forms);
  }
  return lemmas;
}

function detach(forms: readonly string[], part: PartOfSpeech): readonly string[] {
  const bases = forms.flatMap((form) =>
    RULES[part]
      .filter(([ending]) => form.endsWith(ending))
      .map(([ending, replacement]) => form.slice(0, form.length - ending.length) + replacement),
  );
  return [...new Set(bases)];
}
