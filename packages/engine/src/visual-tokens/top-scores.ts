/** Places of the highest scores, the highest first; of equal ones, the first. */
export function topScores(scores: ArrayLike<number>, count: number, among?: readonly number[]): number[] {
  const places = among === undefined ? Array.from({ length: scores.length }, (_, i) => i) : [...among];
  return places.sort((a, b) => (scores[b] as number) - (scores[a] as number) || a - b).slice(0, count);
}

export function ascending(places: Iterable<number>): number[] {
  return [...places].sort((a, b) => a - b);
}

/** Of some tokens the one whose cosine is highest in a row of cosines, the first of equal ones; −1 of none. */
export function nearestOf(of: Float32Array, row: number, tokens: readonly number[]): number {
  let nearest = -1;
  let most = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as number;
    const cosine = of[row + token] as number;
    if (cosine > most) {
      nearest = token;
      most = cosine;
    }
  }
  return nearest;
}
