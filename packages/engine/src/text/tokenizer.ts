import type { Checkpoint } from "@vlmopt/tensor-io";
import { type Json, readJson } from "../read-json.ts";
import { type ChatTemplate, loadChatTemplate, specialTokens } from "./chat-template.ts";
import { addedTokens, tokenFinder } from "./tokenizer/added-tokens.ts";
import { decoder } from "./tokenizer/decoders.ts";
import { normalizer } from "./tokenizer/normalizers.ts";
import { Part } from "./tokenizer/part.ts";
import { postProcessor } from "./tokenizer/post-processors.ts";
import { preTokenizer } from "./tokenizer/pre-tokenizers.ts";
import { vocabularyModel } from "./tokenizer/vocabulary-model.ts";
import { TokenizerError } from "./tokenizer-error.ts";

/** A checkpoint's own tokenizer and chat template. */
export interface Tokenizer {
  /** @param specialTokens whether those that every text gets, such as the beginning of the sequence, are added; yes unless told */
  encode(text: string, specialTokens?: boolean): number[];
  /** Special tokens are left out. */
  decode(ids: readonly number[]): string;
  idOf(token: string): number | undefined;
  tokenOf(id: number): string | undefined;
  /** Beginning of a sequence, as text. */
  readonly bosToken: string | undefined;
  /**
   * Messages as the model was taught to read them, ending where its answer begins; undefined where the checkpoint has no template.
   * @throws {TokenizerError} where the template refuses them, or goes on without end
   */
  readonly applyTemplate: ChatTemplate | undefined;
}

/**
 * Reads `tokenizer.json`, `tokenizer_config.json` and the chat template beside the weights.
 * @throws {TokenizerError} where there is no tokenizer.json, or it is of a kind that is not known
 */
export async function loadTokenizer(checkpoint: Checkpoint): Promise<Tokenizer> {
  const { location } = checkpoint;
  const json = await readJson(checkpoint, "tokenizer.json");
  if (json === undefined) {
    throw new TokenizerError(
      `there is no tokenizer.json in ${location}: save the model's fast tokenizer beside its weights`,
    );
  }
  const config = (await readJson(checkpoint, "tokenizer_config.json")) ?? {};
  const tokens = await specialTokens(checkpoint, config);
  const applyTemplate = await loadChatTemplate(checkpoint, config, tokens);
  try {
    return { ...textTokenizer(json), bosToken: tokens.bos_token, applyTemplate };
  } catch (error) {
    if (!(error instanceof TokenizerError)) throw error;
    throw new TokenizerError(`tokenizer.json of ${location} cannot be read: ${error.message}`, {
      cause: error,
    });
  }
}

/** Texts as tokens and back, as Hugging Face's tokenizers go about it: added tokens, normalizing, pieces, the model's tokens, special tokens. */
function textTokenizer(json: Json): Omit<Tokenizer, "bosToken" | "applyTemplate"> {
  const file = new Part(json);
  const model = vocabularyModel(file);
  const added = addedTokens(file);
  const ids = new Map([...model.ids, ...added.map(({ content, id }) => [content, id] as const)]);
  const tokenOf = new Map([...ids].map(([token, id]) => [id, token]));
  const special = new Set(added.filter(({ isSpecial }) => isSpecial).map(({ id }) => id));
  const normalize = normalizer(file.part("normalizer"));
  const cut = preTokenizer(file.part("pre_tokenizer"));
  const finish = postProcessor(file.part("post_processor"), (token) => ids.get(token));
  const decode = decoder(file.part("decoder"));
  const isOwn = ({ isNormalized }: { readonly isNormalized: boolean }) => !isNormalized;
  const findOwn = tokenFinder(added.filter(isOwn), (text) => text);
  const findNormalized = tokenFinder(
    added.filter((token) => !isOwn(token)),
    normalize,
  );

  const idsOf = (text: string, isStart: boolean): number[] =>
    model.tokens(cut(text, isStart).filter((piece) => piece !== "")).flatMap((token) => {
      const id = model.ids.get(token) ?? model.unknownId;
      return id === undefined ? [] : [id];
    });

  return {
    encode(text, specialTokens = true) {
      const found = findOwn(text).flatMap((section, i) => {
        if (typeof section === "number") return [section];
        return findNormalized(normalize(section)).flatMap((inner, j) =>
          typeof inner === "number" ? [inner] : idsOf(inner, i === 0 && j === 0),
        );
      });
      return specialTokens ? finish(found) : found;
    },
    decode(list) {
      const tokens = list.flatMap((id) => {
        const token = special.has(id) ? undefined : tokenOf.get(id);
        return token === undefined ? [] : [token];
      });
      // Cleaning up would join "dog ?" and "do n't", which transformers 5 leaves as they are.
      const text = decode(tokens).join("");
      return model.wordEnd === undefined ? text : text.replaceAll(model.wordEnd, " ").trim();
    },
    idOf: (token) => ids.get(token),
    tokenOf: (id) => tokenOf.get(id),
  };
}
