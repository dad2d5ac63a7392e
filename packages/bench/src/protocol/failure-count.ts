import { BenchError } from "../bench-error.ts";
import type { RequestFailure } from "../targets/request-failure.ts";
import type { Item, Measuring } from "./measure.ts";

/** Counts questions that could not be answered. */
export interface FailureCount {
  /** @throws {BenchError} where these are more than may be, or all, with the first of them */
  add(item: Item, error: RequestFailure): void;
}

export function failureCount({ items, maxFailed }: Pick<Measuring, "items" | "maxFailed">): FailureCount {
  let count = 0;
  let first: string | undefined;
  return {
    add({ place }, { message, hint }) {
      count++;
      first ??= `${place}: ${message}`;
      if (count < items.length && count <= maxFailed * items.length) return;
      throw new BenchError(
        `${count} of ${items.length} questions could not be answered, more than the share of ${maxFailed} that maxFailed allows; the first: ${first}`,
        hint,
      );
    },
  };
}
