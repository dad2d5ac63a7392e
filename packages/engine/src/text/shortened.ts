/** A text's tokens without those before its last one that are too many, as tokenizers truncate: what ends every text stays. */
export function shortened(ids: number[], most: number): number[] {
  return ids.length <= most ? ids : [...ids.slice(0, most - 1), ids.at(-1) as number];
}
