import type { Checkpoint } from "@vlmopt/tensor-io";
import { type Json, readJson, readText } from "../read-json.ts";
import { compileTemplate } from "./jinja/template.ts";
import { TemplateError } from "./jinja/template-error.ts";
import type { Message } from "./message.ts";
import { TokenizerError } from "./tokenizer-error.ts";

/** Messages as the model was taught to read them, ending where its answer begins. */
export type ChatTemplate = (messages: readonly Message[]) => string;

interface Found {
  readonly file: string;
  readonly template: string;
}

/**
 * A checkpoint's chat template, rendered as transformers renders it: without tools and documents, with all special tokens by their
 * names, and with an end; undefined where the checkpoint has none.
 * @param tokens special tokens by their names
 * @throws {TokenizerError} where it is no template; what it gives throws where the template fails or refuses the messages
 */
export async function loadChatTemplate(
  checkpoint: Checkpoint,
  config: Json,
  tokens: Readonly<Record<string, string>>,
): Promise<ChatTemplate | undefined> {
  const found = await findTemplate(checkpoint, config);
  if (found === undefined) return undefined;
  const named = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw new TokenizerError(
        `the chat template in ${found.file} of ${checkpoint.location} cannot be used: ${error.message}`,
        {
          cause: error,
        },
      );
    }
  };
  const render = named(() => compileTemplate(found.template));
  return (messages) =>
    named(() => render({ messages, tools: null, documents: null, add_generation_prompt: true, ...tokens }));
}

/** In transformers' order: a processor's own files, the older before the newer, and at last the tokenizer's. */
async function findTemplate(checkpoint: Checkpoint, config: Json): Promise<Found | undefined> {
  for (const file of ["processor_config.json", "chat_template.json"]) {
    const found = chosen(checkpoint, file, (await readJson(checkpoint, file))?.chat_template);
    if (found !== undefined) return found;
  }
  const template = await readText(checkpoint, "chat_template.jinja");
  if (template !== undefined && template !== "") return { file: "chat_template.jinja", template };
  return chosen(checkpoint, "tokenizer_config.json", config.chat_template);
}

/** A template, or the default one of several with names. */
function chosen({ location }: Checkpoint, file: string, value: unknown): Found | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return { file, template: value };
  const several = Array.isArray(value)
    ? value.map((one) => [one?.name, one?.template] as const)
    : typeof value === "object"
      ? Object.entries(value)
      : [];
  const [, template] = several.find(([name]) => name === "default") ?? [];
  if (typeof template === "string") return { file, template };
  const names = several.map(([name]) => JSON.stringify(name)).join(", ");
  throw new TokenizerError(
    names === ""
      ? `chat_template in ${file} of ${location} is ${JSON.stringify(value)?.slice(0, 60)}, not a template's text`
      : `chat_template in ${file} of ${location} has no template "default", only ${names}`,
  );
}

/**
 * Special tokens that templates see by their names: all that end in `_token`, those that `extra_special_tokens` names, and those of
 * special_tokens_map.json, which older checkpoints have.
 */
export async function specialTokens(checkpoint: Checkpoint, config: Json): Promise<Record<string, string>> {
  const older =
    config.added_tokens_decoder === undefined
      ? await readJson(checkpoint, "special_tokens_map.json")
      : undefined;
  const extra = config.extra_special_tokens ?? config.additional_special_tokens;
  const named = typeof extra === "object" && extra !== null && !Array.isArray(extra) ? extra : {};
  const all = {
    ...Object.fromEntries(Object.entries(config).filter(([name]) => name.endsWith("_token"))),
    ...named,
    ...older,
  };
  const texts = Object.entries(all).map(([name, token]) => [name, tokenText(token)] as const);
  return Object.fromEntries(texts.filter((pair): pair is [string, string] => pair[1] !== undefined));
}

/** Special tokens are given as text, or as an object that holds it. */
function tokenText(token: unknown): string | undefined {
  if (typeof token === "string") return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === "string" ? content : undefined;
}
