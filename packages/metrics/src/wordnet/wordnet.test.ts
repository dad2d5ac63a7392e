import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { synonymsOf } from "./synonyms.ts";
import { wordNet } from "./wordnet.ts";

/** Made by tools/reference/metrics_meteor.py with NLTK's WordNet reader over Debian's WordNet 3.0. */
function golden(nltk: string): Record<string, string> {
  const file = readFileSync(new URL(`../../goldens/wordnet-${nltk}.json.gz`, import.meta.url));
  return (JSON.parse(gunzipSync(file).toString()) as { synonyms: Record<string, string> }).synonyms;
}

describe("WordNet 3.0", () => {
  it.each([
    ["3.8", true],
    ["3.10", false],
  ] as const)(
    "gives 3,682 words, inflected and not, the synonyms that NLTK %s gives them",
    (nltk, repeat) => {
      const synonyms = golden(nltk);
      expect(Object.keys(synonyms)).toHaveLength(3682);
      for (const [word, names] of Object.entries(synonyms)) {
        expect([...synonymsOf(wordNet(), word, { repeat })].sort(), word).toEqual(names.split(" ").sort());
      }
    },
  );

  it("has all synsets of the four parts of speech", () => {
    expect(wordNet().synsetCount).toBe(82115 + 13767 + 18156 + 3621);
  });

  it("is read once", () => {
    expect(wordNet()).toBe(wordNet());
  });
});
