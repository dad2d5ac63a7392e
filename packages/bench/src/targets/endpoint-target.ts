import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { BenchError } from "../bench-error.ts";
import type { EndpointSpec } from "../recipe/recipe.ts";
import { serverEvents } from "./server-events.ts";
import type { Target, TargetAnswer, TargetRequest } from "./target.ts";

export interface EndpointOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly fetch?: typeof fetch;
  /** Milliseconds before the first retry; each further one waits twice as long. */
  readonly retryDelay?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Milliseconds that a server's Retry-After is heeded, at most. */
const LONGEST_WAIT = 60_000;

/** The request has failed in a way that may pass. */
class PassingFailure extends Error {
  readonly wait: number | undefined;

  constructor(message: string, wait?: number) {
    super(message);
    this.wait = wait;
  }
}

/** The server does not know a field of ours. */
class UnknownField extends Error {}

/**
 * A server that speaks OpenAI's chat completions: vLLM, SGLang, TGI, llama.cpp, Ollama. Pictures go as data URLs; answers are streamed, so
 * that the first token has a time of its own. Lengths are fixed by `ignore_eos` and `min_tokens`, where the server takes them.
 */
export function endpointTarget(spec: EndpointSpec, options: EndpointOptions = {}): Target {
  const { env = process.env, retryDelay = 500, signal } = options;
  const key = spec.apiKeyVariable === undefined ? undefined : env[spec.apiKeyVariable];
  if (spec.apiKeyVariable !== undefined && !key)
    throw new BenchError(`${spec.apiKeyVariable} is not set`, `set it to the key of ${spec.url}`);
  const url = `${spec.url.replace(/\/+$/, "")}/chat/completions`;
  const headers = { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) };
  let takesFixedLengths = true;

  async function once(request: TargetRequest): Promise<TargetAnswer> {
    // Another request may find out meanwhile that the server does not know them.
    const withLength = request.fixedLength && takesFixedLengths;
    const body = JSON.stringify(await chatRequest(spec, request, withLength));
    const watch = new AbortController();
    let timer = setTimeout(() => watch.abort(), spec.timeout * 1000);
    const more = () => {
      clearTimeout(timer);
      timer = setTimeout(() => watch.abort(), spec.timeout * 1000);
    };
    const stop = signal === undefined ? watch.signal : AbortSignal.any([signal, watch.signal]);
    const started = performance.now();
    try {
      // A key goes to its server alone, so redirections are not followed.
      const response = await (options.fetch ?? fetch)(url, {
        method: "POST",
        headers,
        body,
        signal: stop,
        redirect: "error",
      });
      if (!response.ok) throw await refusal(response, url, withLength);
      return await streamed(response, started, more, url);
    } catch (error) {
      if (error instanceof BenchError || error instanceof PassingFailure || error instanceof UnknownField)
        throw error;
      signal?.throwIfAborted();
      if (watch.signal.aborted) throw new PassingFailure(`${url}: said nothing for ${spec.timeout} s`);
      const { message, cause } = error as Error;
      throw new PassingFailure(`${url}: ${cause instanceof Error ? cause.message : message}`);
    } finally {
      clearTimeout(timer);
    }
  }

  async function answer(request: TargetRequest): Promise<TargetAnswer> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await once(request);
      } catch (error) {
        if (error instanceof UnknownField) {
          takesFixedLengths = false;
          continue;
        }
        if (!(error instanceof PassingFailure)) throw error;
        if (attempt >= spec.retries) throw new BenchError(`${error.message}, ${attempt + 1} times over`);
        const wait = error.wait ?? retryDelay * 2 ** attempt;
        await delay(Math.min(wait, LONGEST_WAIT), undefined, signal === undefined ? {} : { signal });
      }
    }
  }

  return {
    pid: undefined,
    async load() {
      const started = performance.now();
      const list = `${spec.url.replace(/\/+$/, "")}/models`;
      try {
        await (options.fetch ?? fetch)(list, {
          headers,
          redirect: "error",
          signal: AbortSignal.timeout(spec.timeout * 1000),
        }).then((response) => response.arrayBuffer());
      } catch (error) {
        const { message, cause } = error as Error;
        throw new BenchError(
          `${list}: ${cause instanceof Error ? cause.message : message}`,
          "is the server running, and does the url end where its API begins (…/v1)?",
        );
      }
      return performance.now() - started;
    },
    answer,
    peakMemory: async () => ({ processPeak: null, executorPeak: null }),
    close: async () => {},
  };
}

async function chatRequest(spec: EndpointSpec, request: TargetRequest, withLength: boolean) {
  const { question, image, maxNewTokens } = request;
  const picture = await readFile(image);
  const content = [
    {
      type: "image_url",
      image_url: { url: `data:${mediaType(picture)};base64,${picture.toString("base64")}` },
    },
    { type: "text", text: question },
  ];
  return {
    model: spec.model,
    messages: [{ role: "user", content }],
    max_tokens: maxNewTokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
    ...(withLength ? { ignore_eos: true, min_tokens: maxNewTokens } : {}),
    ...spec.extra,
  };
}

function mediaType(picture: Uint8Array): string {
  const starts = (...bytes: number[]) => bytes.every((byte, i) => picture[i] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47)) return "image/png";
  if (starts(0x47, 0x49, 0x46)) return "image/gif";
  if (starts(0x52, 0x49, 0x46, 0x46)) return "image/webp";
  return "image/jpeg";
}

async function refusal(response: Response, url: string, mayDropFields: boolean): Promise<Error> {
  const { status } = response;
  const said = (await response.text().catch(() => "")).replaceAll(/\s+/g, " ").slice(0, 300);
  const message = `${url}: answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status === 408 || status === 429 || status >= 500) {
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    return new PassingFailure(message, Number.isFinite(seconds) ? seconds * 1000 : undefined);
  }
  if ((status === 400 || status === 422) && mayDropFields && /ignore_eos|min_tokens/.test(said))
    return new UnknownField(message);
  const hint =
    status === 401 || status === 403
      ? "name the environment variable that holds its key: apiKeyVariable"
      : status === 404
        ? "does the server have a model of that name, and does the url end where its API begins (…/v1)?"
        : undefined;
  return new BenchError(message, hint);
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null;
  readonly error?: { readonly message?: string };
}

async function streamed(
  response: Response,
  started: number,
  more: () => void,
  url: string,
): Promise<TargetAnswer> {
  let [text, ttft, last] = ["", 0, 0];
  const tokens: number[] = [];
  let usage: Chunk["usage"];
  let finish: string | undefined;
  for await (const data of serverEvents(response.body ?? emptyBody())) {
    more();
    if (data === "[DONE]") break;
    const chunk = parseChunk(data, url);
    usage = chunk.usage ?? usage;
    const [choice] = chunk.choices ?? [];
    finish = choice?.finish_reason ?? finish;
    const piece = choice?.delta?.content ?? "";
    if (piece === "") continue;
    const now = performance.now() - started;
    if (text === "") ttft = now;
    else tokens.push(now - last);
    last = now;
    text += piece;
  }
  const latency = performance.now() - started;
  if (finish === undefined)
    throw new PassingFailure(`${url}: the answer broke off after ${text.length} characters`);
  return {
    text,
    promptTokens: usage?.prompt_tokens ?? null,
    newTokens: usage?.completion_tokens ?? null,
    finish: finish === "length" ? "length" : "end",
    ttft: text === "" ? latency : ttft,
    tokens,
    latency,
  };
}

function parseChunk(data: string, url: string): Chunk {
  let chunk: Chunk;
  try {
    chunk = JSON.parse(data) as Chunk;
  } catch {
    throw new PassingFailure(`${url}: sent what is not JSON: ${data.slice(0, 80)}`);
  }
  if (chunk.error !== undefined)
    throw new PassingFailure(`${url}: ${chunk.error.message ?? "an error without a message"}`);
  return chunk;
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}
