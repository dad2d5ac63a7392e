export type PartOfSpeech = "n" | "v" | "a" | "r";

/** In the order in which WordNet's lookups go through them. */
export const partsOfSpeech: readonly PartOfSpeech[] = ["n", "v", "a", "r"];
