/** Numbers for words, so that they compare as integers: equal words, equal numbers. */
export class WordIds {
  readonly #ids = new Map<string, number>();

  /** How many words have numbers. */
  get size(): number {
    return this.#ids.size;
  }

  of(words: readonly string[]): Int32Array {
    return Int32Array.from(words, (word) => {
      let id = this.#ids.get(word);
      if (id === undefined) {
        id = this.#ids.size;
        this.#ids.set(word, id);
      }
      return id;
    });
  }
}
