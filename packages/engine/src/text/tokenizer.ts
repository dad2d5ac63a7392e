import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { readJson } from "../read-json.ts";
import { type ChatTemplate, loadChatTemplate, specialTokens } from "./chat-template.ts";
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
  const model = await readJson(checkpoint, "tokenizer.json");
  if (model === undefined) {
    throw new TokenizerError(
      `there is no tokenizer.json in ${checkpoint.location}: save the model's fast tokenizer beside its weights`,
    );
  }
  const config = (await readJson(checkpoint, "tokenizer_config.json")) ?? {};
  const tokens = await specialTokens(checkpoint, config);
  const applyTemplate = await loadChatTemplate(checkpoint, config, tokens);
  let tokenizer: HubTokenizer;
  try {
    tokenizer = new HubTokenizer(model, config);
  } catch (error) {
    throw new TokenizerError(
      `tokenizer.json of ${checkpoint.location} cannot be read: ${(error as Error).message}`,
      {
        cause: error,
      },
    );
  }
  return {
    encode: (text, specialTokens = true) => tokenizer.encode(text, { add_special_tokens: specialTokens }).ids,
    // Cleaning up would join "dog ?" and "do n't", which transformers 5 leaves as they are.
    decode: (ids) =>
      ids.length === 0
        ? ""
        : tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
    idOf: (token) => tokenizer.token_to_id(token),
    tokenOf: (id) => tokenizer.id_to_token(id),
    bosToken: tokens.bos_token,
    applyTemplate,
  };
}
