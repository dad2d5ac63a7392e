import { checkOptions } from "@vlmopt/options";
import { generateTokens } from "../generate/generate-tokens.ts";
import { uniformNumbers } from "../generate/sample.ts";
import { ownAnswerRules } from "../option-rules.ts";
import type { Request } from "../prompt-reader.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Vlm } from "../vlm.ts";
import type { CalibrationItem } from "./calibration-data.ts";
import { madePicture } from "./made-pictures.ts";

export interface OwnAnswerOptions {
  /** How many; 64 unless told. */
  readonly count?: number;
  /** Of each, at most; 64 unless told. */
  readonly tokens?: number;
  /** The same seed gives the same answers; 0 unless told. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  /** Called with the number of answers so far. */
  readonly onAnswers?: (done: number) => void;
}

/** Answers that are written at once. */
const BATCH = 16;

const questions = [
  "Describe the picture.",
  "What is in the picture?",
  "Which colours are there in the picture?",
  "Is there a text in the picture? What does it say?",
];

/**
 * What a model writes of itself, to calibrate it where no other data are at hand: a language model goes on behind a random token, one that sees
 * pictures answers questions about made ones, both by probability.
 */
export async function ownAnswers(vlm: Vlm, options: OwnAnswerOptions = {}): Promise<CalibrationItem[]> {
  checkOptions("ownAnswers", options, ownAnswerRules);
  return vlm.model.forward.imageEncoder === undefined ? ownTexts(vlm, options) : aboutPictures(vlm, options);
}

async function ownTexts(
  { model, tokenizer, endTokens }: Vlm,
  { count = 64, tokens = 64, seed = 0, signal, onAnswers }: OwnAnswerOptions,
): Promise<CalibrationItem[]> {
  const before = tokensBefore(tokenizer);
  const starts = ordinaryTokens(tokenizer, model.description.languageModel.vocabSize, count, seed);
  const items: CalibrationItem[] = [];
  for (let first = 0; first < count; first += BATCH) {
    const prompts = starts
      .slice(first, first + BATCH)
      .map((start) => ({ ids: [...before, start], images: [] }));
    const { answers } = await generateTokens(model, prompts, {
      maxNewTokens: tokens,
      // A text that ends early would be no less of the model's own, but there would be less of it.
      minNewTokens: tokens,
      endTokens,
      sampling: prompts.map((_, n) => ({ temperature: 1, seed: seed + first + n })),
      signal,
      onToken: () => false,
    });
    items.push(...answers.map((answer, n) => ({ ids: [...(prompts[n]?.ids ?? []), ...answer.tokens] })));
    onAnswers?.(items.length);
  }
  return items;
}

/** What the tokenizer sets before every text. */
function tokensBefore(tokenizer: Tokenizer): number[] {
  const [whole, own] = [tokenizer.encode("a"), tokenizer.encode("a", false)];
  const start = whole.findIndex((_, at) => own.every((id, i) => whole[at + i] === id));
  return whole.slice(0, Math.max(0, start));
}

/** Random tokens that stand for text. */
function ordinaryTokens(tokenizer: Tokenizer, vocabSize: number, count: number, seed: number): number[] {
  const isOrdinary = (id: number) =>
    tokenizer.tokenOf(id) !== undefined && tokenizer.decode([id]).trim() !== "";
  const found: number[] = [];
  // Most tokens are ordinary: of so many some must be.
  const tries = uniformNumbers(seed, 64 * (count + 16));
  for (const random of tries) {
    if (found.length === count) break;
    const id = Math.floor(random * vocabSize);
    if (isOrdinary(id)) found.push(id);
  }
  if (found.length < count)
    throw new RangeError(`the tokenizer has hardly a token that stands for text among ${vocabSize}`);
  return found;
}

async function aboutPictures(
  vlm: Vlm,
  { count = 64, tokens = 64, seed = 0, signal, onAnswers }: OwnAnswerOptions,
): Promise<CalibrationItem[]> {
  const requests = Array.from({ length: count }, (_, n) => ({
    prompt: questions[n % questions.length] as string,
    images: [madePicture(seed + n)],
  }));
  const sampling = { temperature: 1, topP: 1, topK: Number.POSITIVE_INFINITY };
  return answered(vlm, requests, { tokens, sampling, seed, signal, onAnswers });
}

export interface AnswerOptions {
  /** Of each answer, at most; 64 unless told. */
  readonly tokens?: number;
  readonly signal?: AbortSignal;
  /** Called with the number of answers so far. */
  readonly onAnswers?: (done: number) => void;
}

/** Requests with the likeliest answers of a model, to be kept: what it is calibrated on is then what it says itself. */
export async function answerRequests(
  vlm: Vlm,
  requests: readonly Request[],
  options: AnswerOptions = {},
): Promise<CalibrationItem[]> {
  checkOptions<object>("answerRequests", options, ownAnswerRules);
  const { tokens = 64, signal, onAnswers } = options;
  return answered(vlm, requests, { tokens, sampling: { temperature: 0 }, seed: 0, signal, onAnswers });
}

async function answered(
  vlm: Vlm,
  requests: readonly Request[],
  {
    tokens,
    sampling,
    seed,
    signal,
    onAnswers,
  }: {
    readonly tokens: number;
    readonly sampling: { readonly temperature: number; readonly topP?: number; readonly topK?: number };
    readonly seed: number;
    readonly signal: AbortSignal | undefined;
    readonly onAnswers: ((done: number) => void) | undefined;
  },
): Promise<CalibrationItem[]> {
  const items: CalibrationItem[] = [];
  const { imageToken } = vlm.model.forward;
  // A picture's token would stand for a picture that is not there.
  const words = (tokens: readonly number[]) => {
    const end = imageToken === undefined ? -1 : tokens.indexOf(imageToken);
    return end === -1 ? tokens : tokens.slice(0, end);
  };
  for (let first = 0; first < requests.length; first += BATCH) {
    const some = requests.slice(first, first + BATCH);
    const { answers } = await vlm.generateBatch(some, {
      ...sampling,
      seed: seed + first,
      maxNewTokens: tokens,
      minNewTokens: 0,
      repetitionPenalty: 1,
      ...(signal === undefined ? {} : { signal }),
    });
    items.push(...some.map((request, n) => ({ ...request, answer: words(answers[n]?.tokens ?? []) })));
    onAnswers?.(items.length);
  }
  return items;
}
