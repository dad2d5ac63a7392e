import type { HostTensor } from "./ops.ts";

/** Which rows of the table of distances tokens meet. */
export interface Distances {
  /** Half the table's rows: those of negative distances. */
  readonly span: number;
  /** v2: far distances share logarithmic buckets; 0 where each has its own. */
  readonly buckets: number;
  readonly farthest: number;
}

/** Rows of the table that texts of so many tokens meet, `distances` `[1, n]`, and each pair's place among them, `rows`. */
export function distancesOf(settings: Distances, tokens: number): Readonly<Record<string, HostTensor>> {
  const rowOf = (distance: number) =>
    Math.min(Math.max(bucketOf(distance, settings) + settings.span, 0), 2 * settings.span - 1);
  const first = rowOf(1 - tokens);
  const count = rowOf(tokens - 1) - first + 1;
  const rows = Int32Array.from({ length: tokens * tokens }, (_, i) => {
    const query = Math.floor(i / tokens);
    return rowOf(query - (i % tokens)) - first;
  });
  return {
    distances: { shape: [1, count], data: Int32Array.from({ length: count }, (_, i) => first + i) },
    rows: { shape: [tokens, tokens], data: rows },
  };
}

/** Near distances count as they are, far ones by their logarithm; rounded in F32 as there, since a ceiling tells apart what is near it. */
function bucketOf(distance: number, { buckets, farthest }: Distances): number {
  const middle = Math.floor(buckets / 2);
  if (buckets === 0 || Math.abs(distance) <= middle) return distance;
  const log = (x: number) => Math.fround(Math.log(Math.fround(x)));
  const share = Math.fround(log(Math.abs(distance) / middle) / log((farthest - 1) / middle));
  return Math.sign(distance) * (Math.ceil(Math.fround(share * (middle - 1))) + middle);
}
