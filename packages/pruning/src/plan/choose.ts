import { PruningError } from "../prunable.ts";

/** The `count` indices of highest score, ascending; of equal scores the lower index stays. */
export function highest(scores: ArrayLike<number>, count: number): number[] {
  const order = Array.from({ length: scores.length }, (_, i) => i);
  order.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b);
  return order.slice(0, count).sort((a, b) => a - b);
}

/** How many neurons stay: a ratio that goes, a number that stays, or that number as a multiple of the hidden size. */
export type NeuronTarget =
  | { readonly ratio: number }
  | { readonly keep: number }
  | { readonly expansion: number };

/**
 * Neurons that stay of `count`, rounded down to a multiple of `divisor`: kernels like multiples of 128, and 1 gives I − ⌊p·I⌋ exactly.
 * @throws {PruningError} where the target lies outside the model or nothing would be left
 */
export function neuronsToKeep(
  target: NeuronTarget,
  count: number,
  hiddenSize: number,
  divisor: number,
): number {
  if (!Number.isSafeInteger(divisor) || divisor < 1) {
    throw new PruningError(`divisor ${divisor} is not a whole number of at least 1`);
  }
  const wanted = wantedNeurons(target, count, hiddenSize);
  const kept = Math.floor(wanted / divisor) * divisor;
  if (kept === 0) {
    throw new PruningError(
      `${wanted} of ${count} neurons would stay, fewer than the divisor ${divisor}`,
      "choose a smaller divisor: 1 keeps any number",
    );
  }
  return kept;
}

function wantedNeurons(target: NeuronTarget, count: number, hiddenSize: number): number {
  if ("ratio" in target) {
    assertRatio(target.ratio, "of neurons");
    return count - Math.floor(target.ratio * count);
  }
  const wanted = "keep" in target ? target.keep : Math.round(target.expansion * hiddenSize);
  if (Number.isSafeInteger(wanted) && wanted >= 1 && wanted <= count) return wanted;
  throw new PruningError(`${wanted} neurons cannot stay of ${count}`);
}

/** @throws {PruningError} unless 0 ≤ ratio < 1 */
export function assertRatio(ratio: number, what: string): void {
  if (ratio >= 0 && ratio < 1) return;
  throw new PruningError(`a ratio ${what} of ${ratio} is asked for; it must be at least 0 and less than 1`);
}
