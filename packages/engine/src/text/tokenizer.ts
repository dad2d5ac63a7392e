import { Template } from "@huggingface/jinja";
import { Tokenizer as HubTokenizer } from "@huggingface/tokenizers";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { type Json, readJson } from "../read-json.ts";

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
   * @throws {Error} where the template refuses them
   */
  readonly applyTemplate: ((messages: readonly Message[]) => string) | undefined;
}

export interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string | readonly MessagePart[];
}

export type MessagePart = { readonly type: "text"; readonly text: string } | { readonly type: "image" };

/** There is no tokenizer beside the weights, or it cannot be read. */
export class TokenizerError extends Error {
  override readonly name = "TokenizerError";
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
  const template = await templateOf(checkpoint, config);
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
  const [bosToken, eosToken] = [tokenText(config.bos_token), tokenText(config.eos_token)];
  const compiled = template === undefined ? undefined : new Template(template);
  return {
    encode: (text, specialTokens = true) => tokenizer.encode(text, { add_special_tokens: specialTokens }).ids,
    // Cleaning up would join "dog ?" and "do n't", which transformers 5 leaves as they are.
    decode: (ids) =>
      ids.length === 0
        ? ""
        : tokenizer.decode([...ids], { skip_special_tokens: true, clean_up_tokenization_spaces: false }),
    idOf: (token) => tokenizer.token_to_id(token),
    tokenOf: (id) => tokenizer.id_to_token(id),
    bosToken,
    applyTemplate:
      compiled &&
      ((messages) =>
        compiled.render({
          messages,
          add_generation_prompt: true,
          bos_token: bosToken ?? "",
          eos_token: eosToken ?? "",
        })),
  };
}

/** Newer checkpoints keep the template in a file of its own, older ones in JSON; where several have names, the default one. */
async function templateOf(checkpoint: Checkpoint, config: Json): Promise<string | undefined> {
  const own = await checkpoint.readSibling("chat_template.jinja");
  if (own !== undefined) return new TextDecoder().decode(own);
  const found = (await readJson(checkpoint, "chat_template.json"))?.chat_template ?? config.chat_template;
  if (typeof found === "string") return found;
  if (!Array.isArray(found)) return undefined;
  const templates = found as { readonly name: string; readonly template: string }[];
  return (templates.find(({ name }) => name === "default") ?? templates[0])?.template;
}

/** Special tokens are given as text, or as an object that holds it. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}
