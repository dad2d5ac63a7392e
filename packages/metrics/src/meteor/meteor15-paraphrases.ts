import { readBytes, unpackGzip } from "../node-files.ts";

/**
 * METEOR's table of paraphrases: lines in threes, a probability, a phrase and its paraphrase, in a text file that may be gzipped. The
 * text stays as it is read, and phrases are decoded when they are asked for: of some millions a corpus needs few.
 */
export class ParaphraseTable {
  readonly #bytes: Uint8Array;
  readonly #decoder = new TextDecoder();
  /** Phrase → the byte ranges of its paraphrases, in the order of the file. */
  readonly #ranges = new Map<string, number[]>();
  readonly #paraphrases = new Map<string, readonly (readonly string[])[]>();
  #longest = 0;

  /** @throws {Error} where the file does not have three lines for each paraphrase */
  constructor(path: string) {
    const file = readBytes(path);
    this.#bytes = file[0] === 0x1f && file[1] === 0x8b ? unpackGzip(file) : file;
    const bytes = this.#bytes;
    const lineEnd = (start: number) => {
      const end = bytes.indexOf(NEWLINE, start);
      return end === -1 ? bytes.length : end;
    };
    for (let start = 0, end = 0; start < bytes.length; start = end + 1) {
      const phraseStart = lineEnd(start) + 1;
      const phraseEnd = lineEnd(phraseStart);
      const paraphraseStart = phraseEnd + 1;
      if (paraphraseStart >= bytes.length) {
        throw new Error(
          `${path} ends in the middle of an entry: each is a probability, a phrase and a paraphrase, a line each`,
        );
      }
      end = lineEnd(paraphraseStart);
      const phrase = this.#words(phraseStart, phraseEnd);
      this.#longest = Math.max(this.#longest, phrase.length);
      const key = phrase.join(" ");
      const ranges = this.#ranges.get(key);
      if (ranges === undefined) this.#ranges.set(key, [paraphraseStart, end]);
      else ranges.push(paraphraseStart, end);
    }
  }

  /** Calls back for each phrase of `words` and each place of `others` where a paraphrase of it stands. */
  forEachPair(
    words: readonly string[],
    others: readonly string[],
    found: (start: number, length: number, otherStart: number, otherLength: number) => void,
  ): void {
    for (let start = 0; start < words.length; start++) {
      for (let length = 1; length <= this.#longest && start + length <= words.length; length++) {
        for (const paraphrase of this.#paraphrasesOf(words.slice(start, start + length).join(" "))) {
          for (let at = 0; at + paraphrase.length <= others.length; at++) {
            if (paraphrase.every((word, i) => word === others[at + i]))
              found(start, length, at, paraphrase.length);
          }
        }
      }
    }
  }

  #paraphrasesOf(phrase: string): readonly (readonly string[])[] {
    const ranges = this.#ranges.get(phrase);
    if (ranges === undefined) return [];
    let paraphrases = this.#paraphrases.get(phrase);
    if (paraphrases === undefined) {
      paraphrases = Array.from({ length: ranges.length / 2 }, (_, i) =>
        this.#words(ranges[2 * i] as number, ranges[2 * i + 1] as number),
      );
      this.#paraphrases.set(phrase, paraphrases);
    }
    return paraphrases;
  }

  #words(start: number, end: number): string[] {
    return this.#decoder
      .decode(this.#bytes.subarray(start, end))
      .split(/[ \t\r\f]+/)
      .filter((word) => word !== "");
  }
}

const NEWLINE = "\n".charCodeAt(0);
