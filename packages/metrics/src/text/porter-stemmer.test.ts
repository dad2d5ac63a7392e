import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { porterStem } from "./porter-stemmer.ts";

/** Made by tools/reference/metrics_porter.py with NLTK's PorterStemmer. */
const golden = JSON.parse(readFileSync(new URL("../../goldens/porter.json", import.meta.url), "utf8")) as {
  suffixes: string[];
  letters: string;
  first: string[];
  hashes: string[];
};

const irregular =
  "sky skies dying lying tying news innings inning outings outing cannings canning howe proceed exceed succeed".split(
    " ",
  );

/** The words of the script. */
function words(count: number): string[] {
  let state = 12345;
  const below = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 8) % limit;
  };
  const made = Array.from({ length: count }, () => {
    let word = "";
    for (let i = below(7); i > 0; i--) word += golden.letters[below(golden.letters.length)];
    for (let i = below(3); i > 0; i--) word += golden.suffixes[below(golden.suffixes.length)];
    return word;
  });
  return [...irregular, ...made.slice(irregular.length)];
}

it("stems 100,000 words as NLTK does", () => {
  const all = words(100_000);
  const stems = all.map(porterStem);
  expect(stems.slice(0, 1000)).toEqual(golden.first);
  for (const [i, hash] of golden.hashes.entries()) {
    const part = stems.slice(i * 1000, (i + 1) * 1000).join("\n");
    expect(createHash("sha256").update(part).digest("hex").slice(0, 16), `words ${i * 1000} on`).toBe(hash);
  }
});

it("lower-cases first, and counts characters as Python does", () => {
  expect(porterStem("Running")).toBe("run");
  expect(porterStem("🦙s")).toBe("🦙s");
  expect(porterStem("")).toBe("");
});
