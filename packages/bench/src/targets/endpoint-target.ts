import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { BenchError } from "../bench-error.ts";
import type { EndpointSpec } from "../recipe/recipe.ts";
import { PassingFailure, type StreamState, streamedAnswer } from "./answer-stream.ts";
import { promptParts } from "./prompt-parts.ts";
import { RequestFailure } from "./request-failure.ts";
import type { Target, TargetAnswer, TargetRequest } from "./target.ts";

/** One server. */
export type ServerSpec = EndpointSpec & { readonly url: string };

export interface EndpointOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly fetch?: typeof fetch;
  /** Milliseconds before the first retry; each further one waits twice as long. */
  readonly retryDelay?: number;
  /** Ends requests under way, and waits between them. */
  readonly signal?: AbortSignal | undefined;
  /** Told of requests that are sent again, and why. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

/** Milliseconds that are waited as a server's Retry-After asks. Where it asks for more, the run ends. */
const LONGEST_WAIT = 60_000;

/** Requests in a row that were lost to silence, after which the server is given up. */
const MOST_SILENT = 2;

/** The server does not know a field of ours. */
class UnknownField extends Error {}

/**
 * A server that speaks OpenAI's chat completions: vLLM, SGLang, TGI, llama.cpp, Ollama. Pictures go as data URLs; answers are streamed, so
 * that the first token has a time of its own. Lengths are fixed by `ignore_eos` and `min_tokens`, where the server takes them.
 */
export function endpointTarget(spec: ServerSpec, options: EndpointOptions = {}): Target {
  const { env = process.env, retryDelay = 500, signal, onNotice } = options;
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
    const onText = () => {
      clearTimeout(timer);
      timer = setTimeout(() => watch.abort(), spec.timeout * 1000);
    };
    const stop = signal === undefined ? watch.signal : AbortSignal.any([signal, watch.signal]);
    const state: StreamState = { opened: false, characters: 0, idle: 0, finished: false };
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
      state.opened = true;
      if (!response.ok) throw await refusal(response, url, withLength);
      return await streamedAnswer(response.body ?? emptyBody(), {
        ...{ url, started, state, onText },
        maxNewTokens: request.maxNewTokens,
        reasoningCounts: request.fixedLength,
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof BenchError || error instanceof PassingFailure || error instanceof UnknownField)
        throw error;
      if (watch.signal.aborted) throw new SilentServer(`${url}: ${silence(state, spec.timeout)}`);
      const { message, cause } = error as Error;
      throw new PassingFailure(`${url}: ${cause instanceof Error ? cause.message : message}`, {
        ofServer: !state.opened,
      });
    } finally {
      clearTimeout(timer);
      // What still comes is of no interest.
      watch.abort();
    }
  }

  let silent = 0;
  async function answer(request: TargetRequest): Promise<TargetAnswer> {
    for (let attempt = 0; ; attempt++) {
      try {
        const answered = await once(request);
        silent = 0;
        return answered;
      } catch (error) {
        if (error instanceof UnknownField) {
          takesFixedLengths = false;
          continue;
        }
        if (!(error instanceof PassingFailure)) throw error;
        const { message, wait = retryDelay * 2 ** attempt } = error;
        if (wait > LONGEST_WAIT) throw tooLongWait(message, wait);
        if (attempt >= spec.retries) {
          const told = `${message}, ${attempt + 1} times over`;
          if (error instanceof SilentServer) silent++;
          const isGone = error.ofServer || silent >= MOST_SILENT;
          throw isGone ? new BenchError(told) : new RequestFailure(told);
        }
        onNotice?.(
          `${message}; asked again in ${seconds(wait)}, for the ${attempt + 2}. of ${spec.retries + 1} times`,
        );
        await delay(wait, undefined, signal === undefined ? {} : { signal });
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
          signal: AbortSignal.any([AbortSignal.timeout(spec.timeout * 1000), ...(signal ? [signal] : [])]),
        }).then((response) => response.arrayBuffer());
      } catch (error) {
        signal?.throwIfAborted();
        const { name, message, cause } = error as Error;
        const reason = name === "TimeoutError" ? `said nothing for ${spec.timeout} s` : message;
        throw new BenchError(
          `${list}: ${cause instanceof Error ? cause.message : reason}`,
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

async function chatRequest(spec: ServerSpec, request: TargetRequest, withLength: boolean) {
  const { question, images, maxNewTokens } = request;
  const urls: string[] = [];
  for (const image of images) {
    const picture = await readFile(image);
    urls.push(`data:${mediaType(picture, image)};base64,${picture.toString("base64")}`);
  }
  let next = 0;
  const content = promptParts(question, urls.length).map((part) =>
    part.type === "text" ? part : { type: "image_url", image_url: { url: urls[next++] } },
  );
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

/** By what files begin with. */
const MEDIA_TYPES: readonly (readonly [type: string, at: number, begins: string])[] = [
  ["image/png", 0, "\x89PNG"],
  ["image/jpeg", 0, "\xff\xd8"],
  ["image/gif", 0, "GIF8"],
  ["image/webp", 8, "WEBP"],
  ["image/bmp", 0, "BM"],
  ["image/tiff", 0, "II*\0"],
  ["image/tiff", 0, "MM\0*"],
  ["image/avif", 4, "ftypavif"],
  ["image/heic", 4, "ftypheic"],
];

function mediaType(picture: Buffer, path: string): string {
  const head = picture.subarray(0, 16).toString("latin1");
  const [type] = MEDIA_TYPES.find(([, at, begins]) => head.startsWith(begins, at)) ?? [];
  if (type !== undefined) return type;
  throw new RequestFailure(
    `${path}: its ${picture.length} bytes are no picture that servers take: no PNG, JPEG, GIF, WebP, BMP, TIFF or AVIF`,
  );
}

/** Nothing came for as long as is waited. */
class SilentServer extends PassingFailure {}

function silence({ opened, characters, idle, finished }: StreamState, timeout: number): string {
  const sent = idle === 0 ? "" : `, but for ${idle} comments and empty events that keep the connection open`;
  if (finished) return `did not end the stream for ${timeout} s after the answer's end${sent}`;
  if (characters > 0)
    return `fell silent for ${timeout} s after ${characters} characters of an answer${sent}`;
  return `${opened ? "began to answer and sent no text" : "said nothing"} for ${timeout} s${sent}`;
}

function tooLongWait(message: string, wait: number): BenchError {
  return new BenchError(
    `${message}; it asks to be left alone for ${seconds(wait)} (Retry-After), and ${seconds(LONGEST_WAIT)} are waited at most`,
    "run it again later: it goes on where it was",
  );
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 100) / 10} s`;
}

async function* emptyBody(): AsyncGenerator<Uint8Array> {}

async function refusal(response: Response, url: string, mayDropFields: boolean): Promise<Error> {
  const { status } = response;
  const said = (await response.text().catch(() => "")).replaceAll(/\s+/g, " ").slice(0, 300);
  const message = `${url}: answered ${status}${said === "" ? "" : `: ${said}`}`;
  if (status === 408 || status === 429 || status >= 500) {
    return new PassingFailure(message, {
      wait: retryAfter(response.headers.get("retry-after")),
      ofServer: status === 429,
    });
  }
  if ((status === 400 || status === 422) && mayDropFields && /ignore_eos|min_tokens/.test(said))
    return new UnknownField(message);
  const hint =
    status === 401 || status === 403
      ? "name the environment variable that holds its key: apiKeyVariable"
      : status === 404
        ? "does the server have a model of that name, and does the url end where its API begins (…/v1)?"
        : undefined;
  return hint === undefined ? new RequestFailure(message) : new BenchError(message, hint);
}

/** Milliseconds: Retry-After is a number of seconds, or a date. */
function retryAfter(header: string | null): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const wait = Number.isFinite(Number(header)) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}
