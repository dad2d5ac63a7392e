import type { Json } from "./config-values.ts";
import type { MetadataReader } from "./metadata-reader.ts";
import { preTokenizers } from "./pre-tokenizers.ts";
import { tokenTypes } from "./vocabulary.ts";

/** Tokens that end an answer by what they are called: llama.cpp knows most of them by nothing else. */
const endTexts: ReadonlySet<string> = new Set([
  ...[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
  ],
  ...["<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>"],
  ...["<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>", "[e~["],
]);

interface Vocabulary {
  readonly tokens: readonly string[];
  /** As `tokenTypes` numbers them. */
  readonly types: readonly number[];
}

/**
 * tokenizer.json of transformers' library from the metadata of a GGUF file: byte-level BPE with llama.cpp's ways of cutting texts, or
 * SentencePiece's BPE, whose scores become an order of merges as transformers' converter makes it.
 * @throws {GgufError} for other tokenizers
 */
export function tokenizerJson(metadata: MetadataReader): Json {
  const ggml = metadata.at("tokenizer.ggml.");
  const model = ggml.text("model", "no_vocab");
  const vocabulary = vocabularyOf(ggml);
  if (model === "gpt2") return byteLevel(ggml, vocabulary);
  if (model === "llama") return sentencePiece(ggml, vocabulary);
  throw metadata.error(
    `has a tokenizer of the kind "${model}"; "gpt2" (BPE of bytes) and "llama" (SentencePiece) are read`,
  );
}

/** tokenizer_config.json, with the chat template. */
export function tokenizerConfig(metadata: MetadataReader): Json {
  const ggml = metadata.at("tokenizer.ggml.");
  const { tokens } = vocabularyOf(ggml);
  const named = { bos: "bos", eos: "eos", unk: "unknown", pad: "padding" } as const;
  const special = Object.entries(named).flatMap(([name, key]) => {
    const id = specialId(ggml, key, tokens.length);
    return id === undefined ? [] : [[`${name}_token`, tokens[id]] as const];
  });
  return {
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
    ...Object.fromEntries(special),
    ...(metadata.has("tokenizer.chat_template")
      ? { chat_template: metadata.text("tokenizer.chat_template") }
      : {}),
  };
}

/** generation_config.json: the tokens that end an answer to llama.cpp. */
export function generationConfig(metadata: MetadataReader): Json {
  const ggml = metadata.at("tokenizer.ggml.");
  if (!ggml.has("tokens")) return {};
  const { tokens } = vocabularyOf(ggml);
  const told = ["eos", "eot", "eom"].flatMap((key) => specialId(ggml, key, tokens.length) ?? []);
  const known = tokens.flatMap((token, id) => (endTexts.has(token) ? [id] : []));
  const bos = specialId(ggml, "bos", tokens.length);
  const pad = specialId(ggml, "padding", tokens.length);
  return {
    ...(bos === undefined ? {} : { bos_token_id: bos }),
    eos_token_id: [...new Set([...told, ...known])],
    ...(pad === undefined ? {} : { pad_token_id: pad }),
  };
}

/** Place of a token by its text; undefined where there is none. */
export function tokenNamed(metadata: MetadataReader, text: string): number | undefined {
  const found = vocabularyOf(metadata.at("tokenizer.ggml.")).tokens.indexOf(text);
  return found === -1 ? undefined : found;
}

function vocabularyOf(ggml: MetadataReader): Vocabulary {
  if (!ggml.has("tokens"))
    throw ggml.error("holds no tokenizer", "put the model's own tokenizer.json beside converted weights");
  const tokens = ggml.texts("tokens");
  const types = ggml.numbers(
    "token_type",
    tokens.map(() => tokenTypes.normal),
  );
  if (types.length === tokens.length) return { tokens, types };
  throw ggml.error(`has ${tokens.length} tokens, and types of ${types.length}`);
}

function specialId(ggml: MetadataReader, key: string, count: number): number | undefined {
  if (!ggml.has(`${key}_token_id`)) return undefined;
  const id = ggml.number(`${key}_token_id`);
  // Some files tell 2^32 − 1 for none.
  return Number.isInteger(id) && id >= 0 && id < count ? id : undefined;
}

function byteLevel(ggml: MetadataReader, vocabulary: Vocabulary): Json {
  const name = ggml.text("pre", "default");
  const pre = Object.hasOwn(preTokenizers, name) ? preTokenizers[name] : undefined;
  if (pre === undefined) {
    throw ggml.error(
      `cuts texts as "${name}"; ${Object.keys(preTokenizers).join(", ")} are known`,
      "convert the model's own tokenizer, or ask for this one",
    );
  }
  const split = (Regex: string) => ({
    type: "Split",
    pattern: { Regex },
    behavior: "Isolated",
    invert: false,
  });
  const bytes = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    ...common(ggml, vocabulary, pre.addsBos === true),
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...pre.patterns.map(split), bytes] },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      ...bpe(vocabulary),
      ignore_merges: pre.ignoresMerges === true,
      merges: ggml.texts("merges").map((merge) => {
        // The first token may begin with a space, in no vocabulary that is in use.
        const space = merge.indexOf(" ", 1);
        if (space === -1)
          throw ggml.error(`tokenizer.ggml.merges has ${JSON.stringify(merge)}, which is no pair`);
        return [merge.slice(0, space), merge.slice(space + 1)];
      }),
    },
  };
}

function sentencePiece(ggml: MetadataReader, vocabulary: Vocabulary): Json {
  const prefix = ggml.flag("add_space_prefix", true);
  const scores = ggml.numbers("scores");
  if (scores.length !== vocabulary.tokens.length) {
    throw ggml.error(`has ${vocabulary.tokens.length} tokens, and scores of ${scores.length}`);
  }
  const unknown = vocabulary.types.indexOf(tokenTypes.unknown);
  const spaces = { type: "Replace", pattern: { String: " " }, content: "▁" };
  return {
    ...common(ggml, vocabulary, true),
    normalizer: {
      type: "Sequence",
      normalizers: [...(prefix ? [{ type: "Prepend", prepend: "▁" }] : []), spaces],
    },
    pre_tokenizer: null,
    decoder: {
      type: "Sequence",
      decoders: [
        { type: "Replace", pattern: { String: "▁" }, content: " " },
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(prefix ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      ...bpe(vocabulary),
      unk_token: unknown === -1 ? null : vocabulary.tokens[unknown],
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      merges: mergesOf(vocabulary, scores),
    },
  };
}

function bpe({ tokens }: Vocabulary): Json {
  return {
    type: "BPE",
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
  };
}

/** What both kinds have: added tokens, and a token that texts begin with. */
function common(ggml: MetadataReader, { tokens, types }: Vocabulary, addsBos: boolean): Json {
  const isAdded = (type: number) =>
    type === tokenTypes.control || type === tokenTypes.unknown || type === tokenTypes.userDefined;
  const bos = ggml.flag("add_bos_token", addsBos) ? specialId(ggml, "bos", tokens.length) : undefined;
  const eos = ggml.flag("add_eos_token", false) ? specialId(ggml, "eos", tokens.length) : undefined;
  const ends = { bos, eos };
  const around = (id: number | undefined) =>
    id === undefined ? [] : [{ SpecialToken: { id: tokens[id], type_id: 0 } }];
  const known = Object.values(ends).filter((id) => id !== undefined);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: tokens.flatMap((content, id) =>
      isAdded(types[id] ?? 0) && content !== ""
        ? [
            {
              id,
              content,
              single_word: false,
              lstrip: false,
              rstrip: false,
              normalized: false,
              special: types[id] !== tokenTypes.userDefined,
            },
          ]
        : [],
    ),
    post_processor:
      known.length === 0
        ? null
        : {
            type: "TemplateProcessing",
            single: [...around(bos), { Sequence: { id: "A", type_id: 0 } }, ...around(eos)],
            pair: [
              ...around(bos),
              { Sequence: { id: "A", type_id: 0 } },
              ...around(bos),
              { Sequence: { id: "B", type_id: 1 } },
              ...around(eos),
            ],
            special_tokens: Object.fromEntries(
              known.map((id) => [tokens[id], { id: tokens[id], ids: [id], tokens: [tokens[id]] }]),
            ),
          },
  };
}

/**
 * Merges in the order in which SentencePiece takes them, as transformers' `generate_merges` finds it: by the score of what they make, and of
 * equal ones the longer halves first.
 */
function mergesOf({ tokens, types }: Vocabulary, scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: { left: string; right: string; score: number; leftLength: number; rightLength: number }[] =
    [];
  for (const [id, token] of tokens.entries()) {
    if (types[id] === tokenTypes.control || types[id] === tokenTypes.byte) continue;
    const characters = [...token];
    const own: { left: string; right: string; at: number }[] = [];
    let left = "";
    for (let at = 1; at < characters.length; at++) {
      left += characters[at - 1];
      const right = token.slice(left.length);
      if (ids.has(left) && ids.has(right)) own.push({ left, right, at });
    }
    own.sort(
      (a, b) =>
        (ids.get(a.left) ?? 0) - (ids.get(b.left) ?? 0) || (ids.get(a.right) ?? 0) - (ids.get(b.right) ?? 0),
    );
    for (const { left: first, right, at } of own) {
      merges.push({
        left: first,
        right,
        score: scores[id] ?? 0,
        leftLength: at,
        rightLength: characters.length - at,
      });
    }
  }
  return merges
    .sort((a, b) => b.score - a.score || b.leftLength - a.leftLength || b.rightLength - a.rightLength)
    .map(({ left, right }) => [left, right]);
}
