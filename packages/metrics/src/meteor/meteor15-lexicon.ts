import { snowballEnglishStem } from "../text/snowball-english.ts";
import { type PartOfSpeech, partsOfSpeech } from "../wordnet/parts-of-speech.ts";
import { type WordNet, wordNet } from "../wordnet/wordnet.ts";
import { englishLists } from "./meteor15-english.ts";

/** What METEOR 1.5 asks of a word. Words and stems are compared by Java's 32-bit hash codes, collisions and all. */
export interface LexiconWord {
  readonly text: string;
  readonly hash: number;
  readonly stemHash: number;
  /** Of the word and of its base form, ascending. */
  readonly synsets: Int32Array;
  readonly isFunctionWord: boolean;
}

/** Suffixes of WordNet's morphy in the order in which METEOR 1.5 tries them, whatever the part of speech; the first that makes a lemma counts. */
const DETACHMENTS: readonly (readonly [string, string])[] = [
  ["s", ""],
  ["ses", "s"],
  ["xes", "x"],
  ["zes", "z"],
  ["ches", "ch"],
  ["shes", "sh"],
  ["men", "man"],
  ["ies", "y"],
  ["es", "e"],
  ["es", ""],
  ["ed", "e"],
  ["ed", ""],
  ["ing", "e"],
  ["ing", ""],
  ["er", ""],
  ["est", ""],
  ["er", "e"],
  ["est", "e"],
];

const MOST_WORDS = 500_000;

export class Lexicon {
  readonly #wordNet: WordNet = wordNet();
  /** Of each synset the first that METEOR 1.5 cannot tell from it. */
  readonly #synsetIds: Int32Array;
  readonly #words = new Map<string, LexiconWord>();

  constructor() {
    this.#synsetIds = Int32Array.from({ length: this.#wordNet.synsetCount }, (_, synset) => synset);
    for (const [first = 0, ...others] of this.#wordNet.sameOffset) {
      for (const synset of others) this.#synsetIds[synset] = first;
    }
  }

  /** @param text in lower case */
  word(text: string): LexiconWord {
    let word = this.#words.get(text);
    if (word === undefined) {
      if (this.#words.size >= MOST_WORDS) this.#words.clear();
      word = {
        text,
        hash: javaHash(text),
        stemHash: javaHash(snowballEnglishStem(text)),
        synsets: Int32Array.from(this.#synsetsOf(text)).sort(),
        isFunctionWord: englishLists().functionWords.has(text),
      };
      this.#words.set(text, word);
    }
    return word;
  }

  #synsetsOf(word: string): Set<number> {
    const irregular = partsOfSpeech.flatMap((part) => this.#wordNet.exceptions[part].get(word)?.flat() ?? []);
    const bases = irregular.length > 0 ? irregular : [this.#regularBase(word)];
    const synsets = [word, ...bases].flatMap((form) => this.#synsetsOfForm(form));
    return new Set(synsets.map((synset) => this.#synsetIds[synset] as number));
  }

  #regularBase(word: string): string {
    if (word.endsWith("ss") || word.length <= 2) return word;
    for (const [suffix, replacement] of DETACHMENTS) {
      if (!word.endsWith(suffix)) continue;
      const base = word.slice(0, word.length - suffix.length) + replacement;
      if (this.#synsetsOfForm(base).length > 0) return base;
    }
    return word;
  }

  #synsetsOfForm(form: string): number[] {
    return partsOfSpeech.flatMap((part: PartOfSpeech) => [...this.#wordNet.synsetsOfLemma(form, part)]);
  }
}

/** String.hashCode(): Σ c[i] · 31^(n−1−i) over UTF-16 units, modulo 2^32. */
function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}
