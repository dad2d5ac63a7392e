import { TokenizerError } from "../tokenizer-error.ts";
import { libraryPart } from "./library.ts";
import type { Part } from "./part.ts";

/** The vocabulary, and how a piece of text becomes tokens of it. */
export interface VocabularyModel {
  /** Tokens of pieces. */
  readonly tokens: (pieces: readonly string[]) => readonly string[];
  readonly ids: ReadonlyMap<string, number>;
  /** What a token is that the vocabulary lacks. */
  readonly unknownId: number | undefined;
  /** What ends words, of CLIP's. */
  readonly wordEnd: string | undefined;
}

/** @throws {TokenizerError} where it is none that is known, or what it holds is no vocabulary */
export function vocabularyModel(tokenizer: Part): VocabularyModel {
  const part = tokenizer.part("model");
  if (part === undefined) throw tokenizer.wrong("model", "a model");
  const type = part.has("type")
    ? part.type
    : part.has("merges")
      ? "BPE"
      : Array.isArray(part.value("vocab"))
        ? "Unigram"
        : "WordPiece";
  switch (type) {
    case "BPE":
      return bytePairs(part);
    case "Unigram":
      return unigram(part);
    case "WordPiece":
    case "WordLevel": {
      const [ids, unknown] = [part.ids("vocab"), part.text("unk_token", "[UNK]")];
      const unknownId = ids.get(unknown);
      if (unknownId === undefined)
        throw new TokenizerError(`model.unk_token is ${JSON.stringify(unknown)}, which model.vocab lacks`);
      if (type === "WordLevel") {
        return {
          ids,
          unknownId,
          wordEnd: undefined,
          tokens: (pieces) => pieces.map((piece) => (ids.has(piece) ? piece : unknown)),
        };
      }
      const settings = {
        type,
        vocab: Object.fromEntries(ids),
        unk_token: unknown,
        continuing_subword_prefix: part.text("continuing_subword_prefix", "##"),
        max_input_chars_per_word: part.count("max_input_chars_per_word", 100),
      };
      return { ids, unknownId, wordEnd: undefined, tokens: library(settings) };
    }
    default:
      throw part.unknown("model");
  }
}

function library(settings: object): VocabularyModel["tokens"] {
  const model = libraryPart("model", settings);
  return (pieces) => model([...pieces]);
}

function bytePairs(part: Part): VocabularyModel {
  const ids = part.ids("vocab");
  const merges = part.list("merges").map((merge, i) => {
    const pair = typeof merge === "string" ? merge.split(" ") : merge;
    const isPair = Array.isArray(pair) && pair.length === 2 && pair.every((half) => typeof half === "string");
    if (!isPair) throw new TokenizerError(`model.merges[${i}] is ${JSON.stringify(merge)}, not two tokens`);
    const [left, right] = pair as [string, string];
    if (!ids.has(left) || !ids.has(right)) {
      throw new TokenizerError(
        `model.merges[${i}] joins ${JSON.stringify(left)} and ${JSON.stringify(right)}, of which model.vocab lacks one`,
      );
    }
    return [left, right];
  });
  const unknown = part.has("unk_token") ? part.text("unk_token") : undefined;
  if (part.has("continuing_subword_prefix") && part.text("continuing_subword_prefix") !== "") {
    throw part.wrong("continuing_subword_prefix", "empty, which alone is supported");
  }
  const wordEnd = part.has("end_of_word_suffix") ? part.text("end_of_word_suffix") : undefined;
  const settings = {
    type: "BPE",
    vocab: Object.fromEntries(ids),
    merges,
    unk_token: unknown,
    end_of_word_suffix: wordEnd,
    byte_fallback: part.flag("byte_fallback"),
    ignore_merges: part.flag("ignore_merges"),
    fuse_unk: part.flag("fuse_unk"),
  };
  return {
    ids,
    unknownId: unknown === undefined ? undefined : ids.get(unknown),
    wordEnd: wordEnd === "" ? undefined : wordEnd,
    tokens: library(settings),
  };
}

function unigram(part: Part): VocabularyModel {
  const vocab = part.list("vocab").map((entry, i) => {
    const [token, score] = Array.isArray(entry) ? entry : [];
    if (typeof token === "string" && typeof score === "number") return [token, score] as const;
    throw new TokenizerError(
      `model.vocab[${i}] is ${JSON.stringify(entry)?.slice(0, 40)}, not a token and its score`,
    );
  });
  const unknownId = part.has("unk_id") ? part.count("unk_id") : undefined;
  if (vocab.length === 0 || unknownId === undefined || unknownId >= vocab.length) {
    throw part.wrong("unk_id", `the number of one of the ${vocab.length} tokens`);
  }
  const ids = new Map(vocab.map(([token], i) => [token, i]));
  const tokens = library({ type: "Unigram", vocab, unk_id: unknownId });
  if (!part.flag("byte_fallback")) return { ids, unknownId, wordEnd: undefined, tokens };
  // The library's gives characters that it does not know as they are.
  const encoder = new TextEncoder();
  const inBytes = (token: string): readonly string[] => {
    if (ids.has(token)) return [token];
    const bytes = Array.from(
      encoder.encode(token),
      (byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    );
    return bytes.every((byte) => ids.has(byte)) ? bytes : [token];
  };
  return { ids, unknownId, wordEnd: undefined, tokens: (pieces) => tokens(pieces).flatMap(inBytes) };
}
