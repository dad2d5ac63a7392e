/** Places of the highest scores, the highest first; of equal ones, the first. */
export function topScores(scores: ArrayLike<number>, count: number, among?: readonly number[]): number[] {
  const places = among === undefined ? Array.from({ length: scores.length }, (_, i) => i) : [...among];
  return places.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b).slice(0, count);
}

export function ascending(places: Iterable<number>): number[] {
  return [...places].sort((a, b) => a - b);
}
