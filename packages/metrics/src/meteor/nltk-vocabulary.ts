import { porterStem } from "../text/porter-stemmer.ts";
import type { MorphyOptions } from "../wordnet/morphy.ts";
import { synonymsOf } from "../wordnet/synonyms.ts";
import type { WordNet } from "../wordnet/wordnet.ts";

/** Numbers for words, and for each number the word's stem and synonyms, worked out when first asked for. */
export class NltkVocabulary {
  readonly #wordNet: WordNet;
  readonly #morphy: MorphyOptions;
  readonly #ids = new Map<string, number>();
  readonly #words: string[] = [];
  readonly #stems: number[] = [];
  readonly #synonyms: (Int32Array | undefined)[] = [];

  constructor(wordNet: WordNet, morphy: MorphyOptions) {
    this.#wordNet = wordNet;
    this.#morphy = morphy;
  }

  get size(): number {
    return this.#words.length;
  }

  /** Numbers of words in any case; words that differ in case alone are one. */
  idsOf(words: readonly string[]): Int32Array {
    return Int32Array.from(words, (word) => this.#idOf(word.toLowerCase()));
  }

  #idOf(word: string): number {
    let id = this.#ids.get(word);
    if (id === undefined) {
      id = this.#words.length;
      this.#ids.set(word, id);
      this.#words.push(word);
      this.#stems.push(-1);
      this.#synonyms.push(undefined);
    }
    return id;
  }

  /** The number of the Porter stem of a word. */
  stemOf(id: number): number {
    const known = this.#stems[id] as number;
    if (known !== -1) return known;
    const stem = this.#idOf(porterStem(this.#words[id] as string));
    this.#stems[id] = stem;
    return stem;
  }

  /** The numbers of a word's synonyms, itself among them. */
  synonymsOf(id: number): Int32Array {
    const known = this.#synonyms[id];
    if (known !== undefined) return known;
    const synonyms = synonymsOf(this.#wordNet, this.#words[id] as string, this.#morphy);
    const ids = Int32Array.from(synonyms, (word) => this.#idOf(word));
    this.#synonyms[id] = ids;
    return ids;
  }
}
