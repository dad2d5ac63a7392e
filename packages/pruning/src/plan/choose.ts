import { PruningError } from "../prunable.ts";

/**
 * The `count` indices of highest score, ascending; of equal scores the lower index stays.
 * @throws {PruningError} where a score is not a number, naming `what` is scored
 */
export function highest(scores: ArrayLike<number>, count: number, what = "units"): number[] {
  const order = Array.from({ length: scores.length }, (_, i) => i);
  const broken = order.find((i) => Number.isNaN(scores[i]));
  if (broken !== undefined) {
    throw new PruningError(`score ${broken} of ${scores.length} of the ${what} is not a number`);
  }
  order.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  return order.slice(0, count).sort((a, b) => a - b);
}

/** @throws {PruningError} unless 0 ≤ ratio < 1 */
export function assertRatio(ratio: number, what: string): void {
  if (ratio >= 0 && ratio < 1) return;
  throw new PruningError(`a ratio ${what} of ${ratio} is asked for; it must be at least 0 and less than 1`);
}
