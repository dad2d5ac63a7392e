import { checkOptions, finite, func, object, type Rules, whole } from "@vlmopt/options";
import { SourceError } from "../errors.ts";
import { assertRange, type ByteSource } from "./byte-source.ts";

export interface HttpOptions {
  /** Stands in for the global `fetch`, e.g. behind a proxy or in tests. */
  readonly fetch?: typeof fetch;
  /** Sent with every request, e.g. `{ authorization: "Bearer …" }`. `fetch` drops it on a redirect to another origin. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Attempts after the first that failed for a passing reason; 5 unless told. */
  readonly retries?: number;
  /** Milliseconds before the first retry, doubled for each one after it, with up to as much again at random; 250 unless told. */
  readonly retryDelay?: number;
  readonly signal?: AbortSignal;
}

const httpRules: Rules<HttpOptions> = {
  fetch: func,
  headers: object,
  retries: whole({ from: 0 }),
  retryDelay: finite({ from: 0 }),
  signal: object,
};

/** A request costs about as long as this many bytes take to arrive. */
const BYTES_WORTH_A_REQUEST = 256 * 1024;
/** A server that asks for a longer pause than this (ms) is reported instead of waited for. */
const LONGEST_PAUSE = 60_000;

/**
 * A source over a URL whose server honours `Range`. Failures that pass (a dropped connection, a body cut short, 408, 429, 5xx)
 * are retried from the first missing byte; a file that changes between requests is noticed by its ETag.
 * @throws {SourceError} with the `status` where the server refused.
 */
export async function httpSource(url: string | URL, options: HttpOptions = {}): Promise<ByteSource> {
  checkOptions("httpSource", options, httpRules);
  const name = String(url);
  const first = await requestRange(name, 0, 1, undefined, options, options.signal);
  const size = first.total;
  return {
    name,
    size,
    mergeGap: BYTES_WORTH_A_REQUEST,
    async read(offset, length, signal) {
      assertRange({ name, size }, offset, length);
      if (length === 0) return new Uint8Array(0);
      const { bytes } = await requestRange(name, offset, length, first, options, signal ?? options.signal);
      return bytes;
    },
    async close() {},
  };
}

/** Which version of the file the first answer showed. */
interface Version {
  readonly total: number;
  readonly etag: string | undefined;
}

interface RangeAnswer extends Version {
  readonly bytes: Uint8Array;
}

async function requestRange(
  url: string,
  offset: number,
  length: number,
  version: Version | undefined,
  options: HttpOptions,
  signal: AbortSignal | undefined,
): Promise<RangeAnswer> {
  const { retries = 5, retryDelay = 250 } = options;
  const bytes = new Uint8Array(length);
  let filled = 0;
  for (let attempt = 0; ; attempt++) {
    signal?.throwIfAborted();
    let pause = retryDelay * 2 ** attempt * (1 + Math.random());
    let problem: SourceError;
    try {
      const response = await (options.fetch ?? fetch)(url, {
        headers: { ...options.headers, range: `bytes=${offset + filled}-${offset + length - 1}` },
        ...(signal === undefined ? {} : { signal }),
      });
      if (response.status === 206) {
        const seen = versionOf(url, response, offset + filled);
        if (version !== undefined && (seen.total !== version.total || seen.etag !== version.etag)) {
          await response.body?.cancel();
          throw new SourceError(url, "the file changed on the server while it was being read", {
            hint: "start again, or pin a revision",
          });
        }
        const received = await fillFrom(response, bytes, filled);
        // Bytes that arrived count even if the connection broke after them.
        if (received.filled > filled) attempt = -1;
        filled = received.filled;
        if (filled === length || offset + filled === seen.total) {
          return { ...seen, bytes: bytes.subarray(0, filled) };
        }
        problem = new SourceError(
          url,
          `the answer ended after ${filled} of ${length} bytes from byte ${offset}`,
          { cause: received.error },
        );
      } else {
        await response.body?.cancel();
        const empty = response.status === 416 && offset === 0 && rangeTotal(response) === 0;
        if (empty)
          return { total: 0, etag: response.headers.get("etag") ?? undefined, bytes: new Uint8Array(0) };
        problem = refusal(url, response, offset, length);
        const after = retryAfter(response);
        if (!isPassing(response.status) || (after !== undefined && after > LONGEST_PAUSE)) throw problem;
        pause = after ?? pause;
      }
    } catch (error) {
      if (error instanceof SourceError || signal?.aborted) throw error;
      problem = new SourceError(url, `the request failed: ${causeOf(error)}`, { cause: error });
    }
    if (attempt >= retries) throw problem;
    await waited(pause, signal);
  }
}

/** Resolves after so many ms, unless the signal comes first. */
function waited(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Reads the body into `bytes` from `filled` on; a broken connection ends it early, with its error. */
async function fillFrom(
  response: Response,
  bytes: Uint8Array,
  filled: number,
): Promise<{ filled: number; error?: unknown }> {
  const reader = response.body?.getReader();
  try {
    while (reader !== undefined && filled < bytes.length) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, bytes.length - filled);
      bytes.set(part, filled);
      filled += part.length;
    }
    await reader?.cancel();
    return { filled };
  } catch (error) {
    return { filled, error };
  }
}

function rangeTotal(response: Response): number | undefined {
  const total = /\/(\d+)\s*$/.exec(response.headers.get("content-range") ?? "")?.[1];
  return total === undefined ? undefined : Number(total);
}

function versionOf(url: string, response: Response, offset: number): Version {
  const contentRange = response.headers.get("content-range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(contentRange.trim());
  if (match === null || Number(match[1]) !== offset) {
    throw new SourceError(
      url,
      `byte ${offset} was asked for and the server answered with content-range "${contentRange}"`,
      { status: response.status },
    );
  }
  return { total: Number(match[3]), etag: response.headers.get("etag") ?? undefined };
}

function refusal(url: string, response: Response, offset: number, length: number): SourceError {
  const { status } = response;
  const asked = `bytes ${offset} to ${offset + length}`;
  const details = (hint?: string) => (hint === undefined ? { status } : { status, hint });
  switch (status) {
    case 200:
      return new SourceError(
        url,
        "the server ignores range requests, so tensors cannot be read one by one",
        details("download the file first"),
      );
    case 401:
    case 403:
      return new SourceError(url, `the server refuses access (${status})`, details("give an access token"));
    case 404:
      return new SourceError(url, "the server has no such file (404)", details());
    case 416: {
      const total = rangeTotal(response);
      return new SourceError(
        url,
        `${asked} lie outside the file${total === undefined ? "" : ` of ${total} bytes`} (416)`,
        details(),
      );
    }
    default:
      return new SourceError(url, `the server answered ${status} to a request for ${asked}`, details());
  }
}

function isPassing(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}

/** `Retry-After` in milliseconds: it holds seconds or a date. */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get("retry-after");
  if (value === null) return undefined;
  const seconds = Number(value);
  const wait = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - Date.now();
  return Number.isFinite(wait) ? Math.max(0, wait) : undefined;
}

function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}
