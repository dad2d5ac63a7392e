import type { Checkpoint } from "@vlmopt/tensor-io";
import { type ByteLevelVocabulary, byteLevelVocabulary, isByteLevel } from "./byte-level-vocabulary.ts";
import type { Json } from "./config-values.ts";
import { GgufError } from "./gguf-error.ts";
import { jsonBeside } from "./json-beside.ts";
import { bool, float32s, int32s, type MetadataValue, text, texts, uint32 } from "./metadata.ts";
import { readSentencePieceModel } from "./sentencepiece-model.ts";
import {
  type AddedToken,
  beginsWith,
  type TokenizerJson,
  vocabularyOfTokenizerJson,
} from "./tokenizer-json.ts";
import { type Token, tokenTypes, type Vocabulary } from "./vocabulary.ts";

/** What llama.cpp calls special tokens, and transformers' configurations. */
const specialTokens = { bos: "bos", eos: "eos", unk: "unknown", pad: "padding" } as const;

/** llama.cpp's converter gives these scores to tokens that never merge. */
const ADDED_SCORE = -1000;
const PADDING_SCORE = -10_000;

/**
 * `tokenizer.*` of a GGUF file from the files beside the weights, for a BPE of bytes (tokenizer.json), or SentencePiece's, such as Llama's: pieces, scores and
 * types from tokenizer.model where there is one, else from tokenizer.json; added tokens, special ones and the chat template from
 * tokenizer.json, tokenizer_config.json and chat_template.jinja or .json. Rows of the embedding past the last token become `[PADn]`.
 * @param config the text model's part of config.json
 * @throws {GgufError} where there is no tokenizer, it is of another kind, or it has more tokens than the embedding has rows
 */
export async function tokenizerMetadata(
  checkpoint: Checkpoint,
  config: Json,
  vocabSize: number,
): Promise<[key: string, value: MetadataValue][]> {
  const json = (await jsonBeside(checkpoint, "tokenizer.json")) as TokenizerJson | undefined;
  const settings = (await jsonBeside(checkpoint, "tokenizer_config.json")) ?? {};
  const bytes = json !== undefined && isByteLevel(json) ? byteLevelOf(checkpoint, json) : undefined;
  const pieces = bytes === undefined ? await baseVocabulary(checkpoint, json) : undefined;
  const base = bytes?.tokens ?? pieces?.tokens ?? [];
  const tokens = withAdded(base, await addedTokens(checkpoint, json, settings));
  if (tokens.length > vocabSize) {
    throw new GgufError(
      `${checkpoint.location}: the tokenizer has ${tokens.length} tokens and the embedding ${vocabSize} rows`,
      "put the tokenizer of this very model beside the weights",
    );
  }
  const padded = Array.from({ length: vocabSize }, (_, id): Token => {
    return tokens[id] ?? { text: `[PAD${id}]`, score: PADDING_SCORE, type: "unused" };
  });
  const bos = specialText(settings.bos_token) ?? "<s>";
  const addBos = (json && beginsWith(json, bos)) ?? settings.add_bos_token ?? bytes === undefined;
  const template = await chatTemplate(checkpoint, settings);
  return [
    ["tokenizer.ggml.model", text(bytes === undefined ? "llama" : "gpt2")],
    ["tokenizer.ggml.pre", text(bytes?.pre ?? "default")],
    ["tokenizer.ggml.tokens", texts(padded.map((token) => token.text))],
    ...(bytes === undefined
      ? [["tokenizer.ggml.scores", float32s(padded.map(({ score }) => score))] as [string, MetadataValue]]
      : [["tokenizer.ggml.merges", texts(bytes.merges)] as [string, MetadataValue]]),
    ["tokenizer.ggml.token_type", int32s(padded.map(({ type }) => tokenTypes[type]))],
    ...specialIds(padded, settings, config),
    ["tokenizer.ggml.add_bos_token", bool(addBos !== false)],
    ["tokenizer.ggml.add_eos_token", bool(settings.add_eos_token === true)],
    ["tokenizer.ggml.add_space_prefix", bool(pieces?.addSpacePrefix === true)],
    ...(template === undefined
      ? []
      : [["tokenizer.chat_template", text(template)] as [string, MetadataValue]]),
  ];
}

function byteLevelOf({ location }: Checkpoint, json: TokenizerJson): ByteLevelVocabulary {
  try {
    return byteLevelVocabulary(json);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new GgufError(`${location}: tokenizer.json cannot be converted: ${error.message}`);
  }
}

async function baseVocabulary(checkpoint: Checkpoint, json: TokenizerJson | undefined): Promise<Vocabulary> {
  const model = await checkpoint.readSibling("tokenizer.model");
  if (model === undefined && json === undefined) {
    throw new GgufError(
      `${checkpoint.location}: there is no tokenizer.model and no tokenizer.json beside the weights`,
      'put one there, or ask for a file without a tokenizer (`tokenizer: "none"`)',
    );
  }
  try {
    return model === undefined
      ? vocabularyOfTokenizerJson(json as TokenizerJson)
      : readSentencePieceModel(model);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    const file = model === undefined ? "tokenizer.json" : "tokenizer.model";
    throw new GgufError(`${checkpoint.location}: ${file} cannot be converted: ${error.message}`);
  }
}

async function addedTokens(
  checkpoint: Checkpoint,
  json: TokenizerJson | undefined,
  settings: Json,
): Promise<readonly AddedToken[]> {
  if (json?.added_tokens !== undefined) return json.added_tokens;
  const decoder = settings.added_tokens_decoder as
    | Readonly<Record<string, Omit<AddedToken, "id">>>
    | undefined;
  if (decoder !== undefined) {
    return Object.entries(decoder).map(([id, token]) => ({ ...token, id: Number(id) }));
  }
  const ids = ((await jsonBeside(checkpoint, "added_tokens.json")) ?? {}) as Readonly<Record<string, number>>;
  return Object.entries(ids).map(([content, id]) => ({ id, content }));
}

/** Added tokens take their places; pieces of the model that are listed again keep their kind, unless that was a plain one. */
function withAdded(base: Vocabulary["tokens"], added: readonly AddedToken[]): (Token | undefined)[] {
  const tokens = [...base];
  for (const { id, content, special = false } of added) {
    const known = tokens[id];
    if (known?.text === content && known.type !== "normal") continue;
    tokens[id] = {
      text: special ? content : content.replaceAll("▁", " "),
      score: ADDED_SCORE,
      type: special ? "control" : "userDefined",
    };
  }
  return tokens;
}

function specialIds(
  tokens: readonly Token[],
  settings: Json,
  config: Json,
): [key: string, value: MetadataValue][] {
  return Object.entries(specialTokens).flatMap(([name, key]) => {
    const content = specialText(settings[`${name}_token`]);
    const found = content === undefined ? -1 : tokens.findIndex((token) => token.text === content);
    const fallback = config[`${name}_token_id`];
    const id = found === -1 ? [fallback].flat()[0] : found;
    return typeof id === "number" && id >= 0 && id < tokens.length
      ? [[`tokenizer.ggml.${key}_token_id`, uint32(id)] as [string, MetadataValue]]
      : [];
  });
}

/** A special token is its text, or an object that has it. */
function specialText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}

async function chatTemplate(checkpoint: Checkpoint, settings: Json): Promise<string | undefined> {
  const jinja = await checkpoint.readSibling("chat_template.jinja");
  const beside =
    jinja === undefined
      ? (await jsonBeside(checkpoint, "chat_template.json"))?.chat_template
      : new TextDecoder().decode(jinja);
  const template = settings.chat_template ?? beside;
  // Several templates have names; the one for plain chats is the default.
  const chosen = Array.isArray(template)
    ? (template as { name?: string; template?: unknown }[]).find(({ name }) => name === "default")?.template
    : template;
  return typeof chosen === "string" ? chosen : undefined;
}
