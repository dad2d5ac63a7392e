import { BenchError } from "../bench-error.ts";
import { RequestFailure } from "./request-failure.ts";
import { NotEvents, serverEvents } from "./server-events.ts";
import type { TargetAnswer } from "./target.ts";

/** The request has failed in a way that may pass. */
export class PassingFailure extends Error {
  /** Milliseconds after which the server wants to be asked again. */
  readonly wait: number | undefined;
  /** The server failed, not this request. */
  readonly ofServer: boolean;

  constructor(
    message: string,
    details: { readonly wait?: number | undefined; readonly ofServer?: boolean } = {},
  ) {
    super(message);
    this.wait = details.wait;
    this.ofServer = details.ofServer ?? false;
  }
}

/** What has come of an answer so far: a message about silence tells it. */
export interface StreamState {
  /** Headers have come. */
  opened: boolean;
  characters: number;
  /** Comments, and events without text. */
  idle: number;
  finished: boolean;
}

export interface AnswerStreamOptions {
  /** For messages. */
  readonly url: string;
  /** When the request was sent, as `performance.now()` tells it. */
  readonly started: number;
  readonly maxNewTokens: number;
  /** Reasoning alone is an answer, where only its speed counts. */
  readonly reasoningCounts: boolean;
  readonly state: StreamState;
  /** Told whenever text comes. Comments and empty events do not count, since they may come without end. */
  readonly onText: () => void;
}

interface Delta {
  readonly content?: unknown;
  readonly reasoning_content?: unknown;
  readonly reasoning?: unknown;
  readonly refusal?: unknown;
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: Delta | null;
    readonly message?: Delta | null;
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens?: unknown; readonly completion_tokens?: unknown } | null;
  readonly error?: unknown;
}

/** Characters of a token, above any that vocabularies have on average, and of whatever else may come. */
const LONGEST_TOKEN = 64;
const ALLOWANCE = 4096;

/**
 * Puts a streamed answer of `/chat/completions` together.
 * @throws {PassingFailure} where it broke off or makes no sense
 * @throws {RequestFailure} where it is whole and no answer: reasoning alone, a refusal, counts that cannot be
 * @throws {BenchError} where the server does not stream
 */
export async function streamedAnswer(
  body: AsyncIterable<Uint8Array>,
  { url, started, maxNewTokens, reasoningCounts, state, onText }: AnswerStreamOptions,
): Promise<TargetAnswer> {
  let [text, thought, refusal, ttft, last] = ["", "", "", 0, 0];
  const tokens: number[] = [];
  let usage: Chunk["usage"];
  let finish: string | undefined;
  for await (const data of eventsOf(body, url, state)) {
    if (data === "[DONE]") break;
    const chunk = parseChunk(data, url);
    usage = chunk.usage ?? usage;
    const [choice] = chunk.choices ?? [];
    finish = choice?.finish_reason ?? finish;
    state.finished = finish !== undefined;
    const piece = pieceOf(choice?.delta ?? choice?.message ?? {}, url);
    refusal += piece.refusal;
    if (piece.text + piece.thought !== "") {
      const now = performance.now() - started;
      if (text + thought === "") ttft = now;
      else tokens.push(now - last);
      last = now;
      text += piece.text;
      thought += piece.thought;
      state.characters = text.length + thought.length;
      onText();
      if (state.characters > LONGEST_TOKEN * maxNewTokens + ALLOWANCE) {
        throw new RequestFailure(
          `${url}: has sent ${state.characters} characters where at most ${maxNewTokens} tokens were asked for: it does not heed max_tokens`,
        );
      }
    } else state.idle++;
    // Some leave the connection open behind the last chunk.
    if (finish !== undefined && usage) break;
  }
  const latency = performance.now() - started;
  if (finish === undefined)
    throw new PassingFailure(`${url}: the answer broke off after ${state.characters} characters`);
  const pieces = state.characters === 0 ? 0 : tokens.length + 1;
  const newTokens = newTokensOf(usage, { url, maxNewTokens, pieces });
  if (refusal !== "") throw new RequestFailure(`${url}: the model refused: ${refusal.slice(0, 200)}`);
  if (["content_filter", "tool_calls", "function_call", "error"].includes(finish))
    throw new RequestFailure(
      `${url}: ended with finish_reason ${finish} after ${text.length} characters of text`,
    );
  if (text === "" && thought !== "" && !reasoningCounts) {
    throw new RequestFailure(
      `${url}: answered with reasoning alone, ${thought.length} characters of it, and no text (finish_reason ${finish})`,
      "let answers be longer (maxAnswerTokens), or switch reasoning off, with most servers by extra: {chat_template_kwargs: {enable_thinking: false}}",
    );
  }
  return {
    text,
    promptTokens: isCount(usage?.prompt_tokens) ? usage.prompt_tokens : null,
    newTokens,
    finish: finish === "length" ? "length" : "end",
    ttft: pieces === 0 ? latency : ttft,
    tokens,
    latency,
  };
}

async function* eventsOf(
  body: AsyncIterable<Uint8Array>,
  url: string,
  state: StreamState,
): AsyncGenerator<string> {
  try {
    yield* serverEvents(body, () => {
      state.idle++;
    });
  } catch (error) {
    throw error instanceof NotEvents ? noStream(error.text, url) : error;
  }
}

function noStream(text: string, url: string): Error {
  const begins = text.replaceAll(/\s+/g, " ").slice(0, 120);
  if (text.startsWith("<"))
    return new BenchError(
      `${url}: answered with a web page instead of a stream of events: ${begins}`,
      "does the url end where the server's API begins (…/v1)?",
    );
  if (!/^[{[]/.test(text))
    return new PassingFailure(`${url}: answered with what is no stream of events: ${begins}`);
  const error = errorIn(text);
  if (error !== undefined) return new RequestFailure(`${url}: answered 200 with an error: ${error}`);
  return new BenchError(
    `${url}: answered with plain JSON instead of a stream of events: ${begins}`,
    "the server, or what stands before it, does not take stream: true, without which tokens have no times",
  );
}

function errorIn(text: string): string | undefined {
  try {
    const { error } = JSON.parse(text) as Chunk;
    return error === undefined ? undefined : errorText(error);
  } catch {
    return undefined;
  }
}

function errorText(error: unknown): string {
  const message = (error as { readonly message?: unknown } | null)?.message ?? error;
  return (typeof message === "string" ? message : JSON.stringify(message)).slice(0, 300);
}

function parseChunk(data: string, url: string): Chunk {
  let chunk: unknown;
  try {
    chunk = JSON.parse(data);
  } catch {
    throw new PassingFailure(`${url}: sent what is not JSON: ${data.slice(0, 80)}`);
  }
  if (typeof chunk !== "object" || chunk === null || !isChunk(chunk as Chunk))
    throw new PassingFailure(`${url}: sent an event that is no chunk of an answer: ${data.slice(0, 80)}`);
  const { error } = chunk as Chunk;
  if (error !== undefined && error !== null) throw new PassingFailure(`${url}: ${errorText(error)}`);
  return chunk as Chunk;
}

function isChunk({ choices }: Chunk): boolean {
  if (choices === undefined || choices === null) return true;
  return Array.isArray(choices) && choices.every((choice) => typeof choice === "object" && choice !== null);
}

interface Piece {
  readonly text: string;
  readonly thought: string;
  readonly refusal: string;
}

/** Text, or a list of parts of text and of thinking. */
function pieceOf({ content, reasoning_content, reasoning, refusal }: Delta, url: string): Piece {
  const said = (value: unknown) => (typeof value === "string" ? value : "");
  const parts = content === null || content === undefined ? [] : [content].flat();
  let [text, thought] = ["", said(reasoning_content) || said(reasoning)];
  for (const part of parts as unknown[]) {
    if (typeof part === "string") text += part;
    else if (typeof part !== "object" || part === null)
      throw new PassingFailure(
        `${url}: sent content that is neither text nor parts of it: ${JSON.stringify(part)}`,
      );
    else {
      const {
        type,
        text: own,
        thinking,
      } = part as { readonly type?: unknown; readonly text?: unknown; readonly thinking?: unknown };
      if (type === "thinking" || type === "reasoning") thought += said(own) || thinkingText(thinking);
      else text += said(own);
    }
  }
  return { text, thought, refusal: said(refusal) };
}

function thinkingText(thinking: unknown): string {
  if (typeof thinking === "string") return thinking;
  return Array.isArray(thinking)
    ? thinking.map((part: { text?: unknown } | null) => String(part?.text ?? "")).join("")
    : "";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/**
 * The tokens that the server counts; null where it does not count.
 * @throws {RequestFailure} where there cannot be so many, or so few
 */
function newTokensOf(
  usage: Chunk["usage"],
  {
    url,
    maxNewTokens,
    pieces,
  }: { readonly url: string; readonly maxNewTokens: number; readonly pieces: number },
): number | null {
  const counted = usage?.completion_tokens;
  if (counted === undefined || counted === null) return null;
  // Some count the token that ends an answer.
  if (isCount(counted) && counted <= maxNewTokens + 1 && counted >= pieces) return counted;
  throw new RequestFailure(
    `${url}: its usage counts ${JSON.stringify(counted)} new tokens, where at most ${maxNewTokens} were asked for and ${pieces} pieces of text came`,
    "speed cannot be told by such counts: mend the server, or do without them by extra: {stream_options: {include_usage: false}}, so that pieces count as tokens",
  );
}
