import { BenchError } from "../bench-error.ts";
import type { RequestFailure } from "../targets/request-failure.ts";

/** Counts questions that could not be answered. */
export interface FailureCount {
  /** @throws {BenchError} where these are more than may be, or all, with the first of them */
  add(item: { readonly place: string }, error: RequestFailure): void;
}

export interface FailureLimit {
  /** Questions, those of other shards too. */
  readonly total: number;
  /** Share of them that may stay unanswered. */
  readonly maxFailed: number;
}

export function failureCount(limit: FailureLimit): FailureCount {
  let count = 0;
  let first: string | undefined;
  return {
    add({ place }, { message, hint }) {
      count++;
      first ??= `${place}: ${message}`;
      const problem = tooManyFailed(count, first, limit);
      if (problem !== undefined) throw new BenchError(problem, hint);
    },
  };
}

/** What is wrong where these are more than may be, or all. */
export function tooManyFailed(
  count: number,
  first: string,
  { total, maxFailed }: FailureLimit,
): string | undefined {
  if (count < total && count <= maxFailed * total) return undefined;
  return `${count} of ${total} questions could not be answered, more than the share of ${maxFailed} that maxFailed allows; the first: ${first}`;
}
