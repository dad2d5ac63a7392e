import type { ImageFeatures } from "../image-features.ts";
import { messageWithoutImageMarks, withoutImageMarks } from "./image-marks.ts";
import type { Message, MessagePart } from "./message.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** What is asked: a question, a conversation, or a text that is exactly what the model shall continue. */
export type Question =
  | { readonly prompt: string }
  | { readonly messages: readonly Message[] }
  | { readonly raw: string };

/** A picture's part of a prompt: as many image tokens as it has features, in tiles where it was cut. */
export interface PromptImage {
  readonly features: Pick<ImageFeatures, "rows">;
  /** Rows and columns of tiles besides the whole picture, of Idefics3 and SmolVLM; 0 where it was not cut. */
  readonly tiles?: readonly [number, number];
}

export interface PromptModel {
  readonly modelType: string;
  readonly imageToken: number | undefined;
}

/**
 * A question about pictures as tokens.
 * @throws {RangeError} where the text has places for another number of pictures
 */
export function promptTokens(
  tokenizer: Tokenizer,
  model: PromptModel,
  question: Question,
  images: readonly PromptImage[],
): number[] {
  const text = "raw" in question ? question.raw : promptText(tokenizer, model, question, images.length);
  const { modelType } = model;
  // These two put their image tokens before the text, however it asks.
  if (modelType === "paligemma") return paligemmaTokens(tokenizer, model, text, images);
  if (modelType === "blip-2") return [...imageRuns(model, images).flat(), ...tokenizer.encode(text)];
  const withTiles = isTiled(modelType) ? tiledText(text, images) : text;
  const startsWithBos = tokenizer.bosToken !== undefined && withTiles.startsWith(tokenizer.bosToken);
  // As in transformers: a processor adds special tokens to what its template made, a tokenizer does not.
  const isComplete =
    model.imageToken === undefined && tokenizer.applyTemplate !== undefined && !("raw" in question);
  const ids = tokenizer.encode(withTiles, !startsWithBos && !isComplete);
  return isTiled(modelType) ? ids : withImageRuns(ids, model, images);
}

/** As the families' own processors and papers ask, where a checkpoint has no chat template. */
function promptText(
  { applyTemplate }: Tokenizer,
  { modelType, imageToken }: PromptModel,
  asked: Exclude<Question, { raw: string }>,
  images: number,
): string {
  const question = images === 0 ? asked : withoutMarks(asked);
  if (applyTemplate !== undefined) {
    const messages = "messages" in question ? question.messages : [userMessage(question.prompt, images)];
    return applyTemplate(imageToken === undefined ? messages : messages.map(inParts));
  }
  const prompt = "prompt" in question ? question.prompt : lastWords(question.messages);
  switch (modelType) {
    case "llava":
    case "llava_next":
      return `USER: ${"<image>\n".repeat(images)}${prompt} ASSISTANT:`;
    case "blip-2":
      return images === 0 ? prompt : `Question: ${prompt} Answer:`;
    default:
      return prompt;
  }
}

function withoutMarks(question: Exclude<Question, { raw: string }>): Exclude<Question, { raw: string }> {
  return "prompt" in question
    ? { prompt: withoutImageMarks(question.prompt) }
    : { messages: question.messages.map(messageWithoutImageMarks) };
}

/** One message that shows the pictures and asks. */
function userMessage(prompt: string, images: number): Message {
  const pictures = Array.from({ length: images }, (): MessagePart => ({ type: "image" }));
  return { role: "user", content: images === 0 ? prompt : [...pictures, { type: "text", text: prompt }] };
}

/** Templates of models that see go through a message's parts; a text of itself has none. */
function inParts(message: Message): Message {
  const { role, content } = message;
  return typeof content === "string" ? { role, content: [{ type: "text", text: content }] } : message;
}

/** Texts of a conversation whose model has no template: only its last message is asked. */
function lastWords(messages: readonly Message[]): string {
  const { content = "" } = messages.at(-1) ?? {};
  if (typeof content === "string") return content;
  return content.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n");
}

/** PaliGemma: image tokens, the beginning of the sequence, the text, a newline. */
function paligemmaTokens(
  tokenizer: Tokenizer,
  model: PromptModel,
  text: string,
  images: readonly PromptImage[],
): number[] {
  const own = text.replaceAll("<image>", "");
  const ids = tokenizer.encode(`${tokenizer.bosToken ?? "<bos>"}${own}\n`, false);
  return [...imageRuns(model, images).flat(), ...ids];
}

function imageRuns({ imageToken = 0 }: PromptModel, images: readonly PromptImage[]): number[][] {
  return images.map(({ features }) => Array<number>(features.rows).fill(imageToken));
}

/** Each image token of the text becomes as many as its picture has features. */
function withImageRuns(ids: readonly number[], model: PromptModel, images: readonly PromptImage[]): number[] {
  const runs = imageRuns(model, images);
  const places = model.imageToken === undefined ? 0 : ids.filter((id) => id === model.imageToken).length;
  if (places !== images.length) {
    throw new RangeError(`the prompt has places for ${places} pictures, but ${images.length} were given`);
  }
  let next = 0;
  return ids.flatMap((id) => (id === model.imageToken ? (runs[next++] as number[]) : [id]));
}

function isTiled(modelType: string): boolean {
  return modelType === "idefics3" || modelType === "smolvlm";
}

/** Idefics3 and SmolVLM mark tiles by row and column, and the whole picture behind them. */
function tiledText(text: string, images: readonly PromptImage[]): string {
  const pieces = text.split("<image>");
  if (pieces.length - 1 !== images.length) {
    throw new RangeError(
      `the prompt has places for ${pieces.length - 1} pictures, but ${images.length} were given`,
    );
  }
  return pieces
    .map((piece, i) => (i === 0 ? piece : `${tileMarks(images[i - 1] as PromptImage)}${piece}`))
    .join("");
}

function tileMarks({ features, tiles = [0, 0] }: PromptImage): string {
  const [rows, columns] = tiles;
  const around = "<fake_token_around_image>";
  const tokens = "<image>".repeat(features.rows / (rows * columns + 1));
  if (rows === 0 || columns === 0) return `${around}<global-img>${tokens}${around}`;
  const lines = Array.from({ length: rows }, (_, row) =>
    Array.from(
      { length: columns },
      (_, column) => `${around}<row_${row + 1}_col_${column + 1}>${tokens}`,
    ).join(""),
  );
  return `${lines.join("\n")}\n\n${around}<global-img>${tokens}${around}`;
}
