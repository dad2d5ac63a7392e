/** What a variant costs and gives; intervals where they are known. */
export interface Position {
  readonly x: number;
  readonly y: number;
  readonly xInterval?: readonly [low: number, high: number] | undefined;
  readonly yInterval?: readonly [low: number, high: number] | undefined;
}

/** Those that no other beats in both, by rising cost: less x is better, more y is. */
export function paretoFront<T extends Position>(points: readonly T[]): T[] {
  const front: T[] = [];
  for (const point of [...points].sort((a, b) => a.x - b.x || b.y - a.y)) {
    if (point.y > (front.at(-1)?.y ?? Number.NEGATIVE_INFINITY)) front.push(point);
  }
  return front;
}

/**
 * Those that no other is shown to beat. Two values that lie within each other's intervals are not ordered; one point beats another that is ahead of it in nothing
 * where it is itself ahead in cost or in quality. The report's page has the text of this function, so it knows nothing but what stands in it.
 */
export function unbeaten<T extends Position>(points: readonly T[]): T[] {
  const within = (value: number, interval: Position["xInterval"]) =>
    interval !== undefined && interval[0] <= value && value <= interval[1];
  const isLess = (a: T, b: T) => a.x < b.x && !(within(a.x, b.xInterval) && within(b.x, a.xInterval));
  const isMore = (a: T, b: T) => a.y > b.y && !(within(a.y, b.yInterval) && within(b.y, a.yInterval));
  const beats = (a: T, b: T) => !isLess(b, a) && !isMore(b, a) && (isLess(a, b) || isMore(a, b));
  return points.filter((point) => !points.some((other) => beats(other, point)));
}
