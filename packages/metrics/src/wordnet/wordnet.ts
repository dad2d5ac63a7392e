import { readAsset, unpackBrotli } from "../node-files.ts";
import { type PartOfSpeech, partsOfSpeech } from "./parts-of-speech.ts";

/** What METEOR needs of WordNet 3.0 (Princeton University). Synsets are numbered 0 … synsetCount − 1, nouns first. */
export interface WordNet {
  readonly synsetCount: number;
  /** Synsets of a lemma as one part of speech, most frequent first; empty where it is not a lemma of that part of speech. */
  synsetsOfLemma(lemma: string, part: PartOfSpeech): readonly number[];
  /** Lemma names of one word (those of several, with `_`, are not kept), in the case that WordNet gives them. */
  namesOf(synset: number): readonly string[];
  /** Irregular forms of a part of speech → their base forms, a list for each line of the file (a few forms have two). */
  readonly exceptions: Readonly<Record<PartOfSpeech, ReadonlyMap<string, readonly (readonly string[])[]>>>;
  /**
   * Synsets of different parts of speech whose records begin at the same byte of their files. METEOR 1.5 takes them for one, since it
   * knows a synset by that offset alone.
   */
  readonly sameOffset: readonly (readonly number[])[];
}

let loaded: WordNet | undefined;

/** WordNet from this package's assets, read once. */
export function wordNet(): WordNet {
  loaded ??= parseWordNet(unpackBrotli(readAsset("wordnet-3.0.br")));
  return loaded;
}

/** The sections are described in assets/README.md. */
function parseWordNet(bytes: Uint8Array): WordNet {
  const text = new TextDecoder();
  let position = bytes.indexOf("\n".charCodeAt(0)) + 1;
  const header = JSON.parse(text.decode(bytes.subarray(0, position))) as Record<string, number>;
  const section = (name: string): Uint8Array => {
    position += header[name] ?? 0;
    return bytes.subarray(position - (header[name] ?? 0), position);
  };
  const lemmas = text.decode(section("lemmas")).split("\n");
  const senses = decodeVarints(section("senses"));
  const names = text.decode(section("names")).split("\n");
  const exceptions = text.decode(section("exceptions")).split("\n\n").map(parseExceptions);
  const sameOffset = text.decode(section("sameOffset")).split("\n");

  /** Where the senses of each lemma begin: for each part of speech a count, then so many synsets. */
  const starts = new Int32Array(lemmas.length);
  for (let i = 0, start = 0; i < lemmas.length; i++) {
    starts[i] = start;
    for (let part = 0; part < partsOfSpeech.length; part++) start += 1 + (senses[start] as number);
  }
  return {
    synsetCount: names.length,
    synsetsOfLemma(lemma, part) {
      const index = indexIn(lemmas, lemma);
      if (index === -1) return [];
      let at = starts[index] as number;
      for (let i = partsOfSpeech.indexOf(part); i > 0; i--) at += 1 + (senses[at] as number);
      return Array.from(senses.subarray(at + 1, at + 1 + (senses[at] as number)));
    },
    namesOf: (synset) => names[synset]?.split(" ").filter((name) => name !== "") ?? [],
    exceptions: Object.fromEntries(
      partsOfSpeech.map((part, i) => [part, exceptions[i]]),
    ) as WordNet["exceptions"],
    sameOffset: sameOffset.map((line) => line.split(" ").map(Number)),
  };
}

/** Binary search: a Map of all lemmas would take longer to make than all else here, for words that are each looked up once. */
function indexIn(sorted: readonly string[], word: string): number {
  let [low, high] = [0, sorted.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as string) < word) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === word ? low : -1;
}

function parseExceptions(lines: string): ReadonlyMap<string, readonly (readonly string[])[]> {
  const exceptions = new Map<string, readonly (readonly string[])[]>();
  for (const line of lines.split("\n")) {
    const [form = "", ...bases] = line.split(" ");
    exceptions.set(form, [...(exceptions.get(form) ?? []), bases]);
  }
  return exceptions;
}

/** Little-endian groups of seven bits, the highest bit set in all but the last. */
function decodeVarints(bytes: Uint8Array): Int32Array {
  const values = new Int32Array(bytes.length);
  let count = 0;
  let value = 0;
  let shift = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    value |= (byte & 127) << shift;
    shift += 7;
    if (byte < 128) {
      values[count++] = value;
      value = 0;
      shift = 0;
    }
  }
  return values.subarray(0, count);
}
