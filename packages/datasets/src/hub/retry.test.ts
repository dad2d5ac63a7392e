import { describe, expect, it } from "vitest";
import { HubError } from "./hub-error.ts";
import { parseRetryAfter, withRetries } from "./retry.ts";

describe("Retry-After", () => {
  const now = Date.UTC(2026, 0, 1);

  it.each([
    ["120", 120_000],
    ["0", 0],
    // The date of RFC 9110's own example form, a minute and a half from now.
    ["Thu, 01 Jan 2026 00:01:30 GMT", 90_000],
    ["Wed, 31 Dec 2025 23:59:59 GMT", 0],
    ["soon", undefined],
    ["", undefined],
    [null, undefined],
  ])("%j is %j ms", (value, milliseconds) => {
    expect(parseRetryAfter(value, now)).toBe(milliseconds);
  });
});

describe("retrying", () => {
  const passing = () => new HubError("network", "m", { transient: true });

  it("waits longer each time, by halves at random, up to 30 s", async () => {
    const delays: number[] = [];
    const controller = new AbortController();
    const attempt = withRetries(() => Promise.reject(passing()), {
      retries: 9,
      retryDelay: 1,
      signal: controller.signal,
      onWait: ({ delay }) => delays.push(delay),
    });
    await expect(attempt).rejects.toThrow("m");
    expect(delays).toHaveLength(9);
    for (const [index, delay] of delays.entries()) {
      expect(delay).toBeGreaterThanOrEqual(2 ** index / 2);
      expect(delay).toBeLessThanOrEqual(2 ** index);
    }
  });

  it("does not try again what will not pass, nor after an abort", async () => {
    let calls = 0;
    const count = (error: Error) => () => {
      calls++;
      return Promise.reject(error);
    };
    await expect(withRetries(count(new HubError("not-found", "gone")), {})).rejects.toThrow("gone");
    await expect(withRetries(count(new TypeError("a bug")), {})).rejects.toThrow("a bug");
    const controller = new AbortController();
    const waiting = withRetries(count(passing()), {
      retryDelay: 60_000,
      signal: controller.signal,
      onWait: () => controller.abort(),
    });
    await expect(waiting).rejects.toThrow(expect.objectContaining({ name: "AbortError" }));
    expect(calls).toBe(3);
  });
});
