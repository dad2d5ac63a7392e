import { type MorphyOptions, morphy } from "./morphy.ts";
import { partsOfSpeech } from "./parts-of-speech.ts";
import type { WordNet } from "./wordnet.ts";

/** Synsets of a word, in any case, as NLTK's `wordnet.synsets`: as noun, verb, adjective and adverb, through morphy. */
export function synsetsOf(wordNet: WordNet, word: string, options: MorphyOptions): readonly number[] {
  const form = word.toLowerCase();
  return partsOfSpeech.flatMap((part) =>
    morphy(wordNet, form, part, options).flatMap((lemma) => wordNet.synsetsOfLemma(lemma, part)),
  );
}

/** The word and every one-word lemma name, case kept, of its synsets: what NLTK's METEOR takes for synonyms. */
export function synonymsOf(wordNet: WordNet, word: string, options: MorphyOptions): ReadonlySet<string> {
  return new Set([word, ...synsetsOf(wordNet, word, options).flatMap((synset) => wordNet.namesOf(synset))]);
}
