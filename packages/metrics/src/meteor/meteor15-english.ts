import { readAsset } from "../node-files.ts";

/** Word lists of METEOR 1.5 for English. */
export interface EnglishLists {
  /** Words of more than one in a thousand of the corpus it was tuned on: they weigh less. */
  readonly functionWords: ReadonlySet<string>;
  /** Words after which a period ends no sentence. */
  readonly prefixes: ReadonlySet<string>;
  /** Words after which a period ends no sentence before a number. */
  readonly numericPrefixes: ReadonlySet<string>;
}

let loaded: EnglishLists | undefined;

export function englishLists(): EnglishLists {
  if (loaded === undefined) {
    const lists = JSON.parse(new TextDecoder().decode(readAsset("meteor-1.5-english.json"))) as Record<
      keyof EnglishLists,
      string[]
    >;
    loaded = {
      functionWords: new Set(lists.functionWords),
      prefixes: new Set(lists.prefixes),
      numericPrefixes: new Set(lists.numericPrefixes),
    };
  }
  return loaded;
}
