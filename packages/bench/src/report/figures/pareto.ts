/** What a variant costs and gives. */
export interface Position {
  readonly x: number;
  readonly y: number;
}

/** Those that no other beats in both, by rising cost: less x is better, more y is. */
export function paretoFront<T extends Position>(points: readonly T[]): T[] {
  const front: T[] = [];
  for (const point of [...points].sort((a, b) => a.x - b.x || b.y - a.y)) {
    if (point.y > (front.at(-1)?.y ?? Number.NEGATIVE_INFINITY)) front.push(point);
  }
  return front;
}
