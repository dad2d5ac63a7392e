import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "./hub-error.ts";

/** Milliseconds: what a server may ask to wait before giving up is the better answer. */
const LONGEST_WAIT = 10 * 60_000;
/** Milliseconds: the most that is waited when the server says nothing. */
const LONGEST_BACKOFF = 30_000;

export interface Wait {
  /** Milliseconds until the next attempt. */
  readonly delay: number;
  readonly reason: string;
}

export interface RetryOptions {
  /** Attempts after the first, without progress between them. Default 5. */
  readonly retries?: number;
  /** Milliseconds before the second attempt; doubles with each further one, up to 30 s. Default 500. */
  readonly retryDelay?: number;
  /** Told before each wait. */
  readonly onWait?: (wait: Wait) => void;
  readonly signal?: AbortSignal;
}

/**
 * Attempts work again while it fails for reasons that may pass, waiting as long as the server asked, else longer each time. An attempt
 * that calls `progressed` starts the count anew: a large file over a bad line arrives in the end.
 */
export async function withRetries<T>(
  attempt: (progressed: () => void) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { retries = 5, retryDelay = 500, signal } = options;
  let failures = 0;
  for (;;) {
    try {
      return await attempt(() => {
        failures = 0;
      });
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof HubError) || !error.transient || failures >= retries) throw error;
      const delay = error.retryAfter ?? backoff(retryDelay, failures);
      if (delay > LONGEST_WAIT) throw error;
      failures++;
      options.onWait?.({ delay, reason: error.message });
      await sleep(delay, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** Half fixed, half random, so that many clients cut off together do not return together. */
function backoff(first: number, failures: number): number {
  const longest = Math.min(LONGEST_BACKOFF, first * 2 ** failures);
  return longest / 2 + (Math.random() * longest) / 2;
}

/** Reads a Retry-After header, seconds or a date (RFC 9110, 10.2.3), as milliseconds from now. */
export function parseRetryAfter(value: string | null, now = Date.now()): number | undefined {
  if (value === null || value.trim() === "") return undefined;
  const seconds = Number(value);
  const delay = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(value) - now;
  return Number.isNaN(delay) ? undefined : Math.max(0, delay);
}
