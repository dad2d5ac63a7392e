import type { Cosines } from "./cosines.ts";

/**
 * Greedy solution of the max-min diversity problem: first the one farthest from its nearest, then again and again the one farthest
 * from all chosen so far.
 */
export function maxMinDiversity({ count, of }: Cosines, keep: number): number[] {
  let next = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    let nearest = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < count; j++) if (j !== i) nearest = Math.max(nearest, of[i * count + j] as number);
    if (nearest < least) [least, next] = [nearest, i];
  }
  const nearest = new Float32Array(count).fill(Number.NEGATIVE_INFINITY);
  const chosen: number[] = [];
  while (chosen.length < keep) {
    chosen.push(next);
    // Behind every other cosine, so that it is not chosen again.
    nearest[next] = Number.POSITIVE_INFINITY;
    const row = next * count;
    least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const cosine = Math.max(nearest[i] as number, of[row + i] as number);
      nearest[i] = cosine;
      if (cosine < least) [least, next] = [cosine, i];
    }
  }
  return chosen;
}
