import { readFileSync } from "node:fs";
import { porterStem } from "@vlmopt/metrics";
import { expect, test } from "vitest";

/** What the npm package natural makes of words (tools/reference/metrics_natural.mjs). */
const stems: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL("../../goldens/natural.json", import.meta.url), "utf8"),
);

/** NLTK's extensions of Porter's rules, which natural does not have, by the words that they change. */
const extensions: Readonly<Record<string, RegExp>> = {
  "y becomes i after a consonant alone, whether a vowel came before or not":
    /(?:[aeiou]y(?:s|eds?|ing)?|^[^aeiou]+y)$/,
  "ies and ied of four letters become ie": /^.(?:ies|ied)$/,
  "irregular words have stems of their own": /^skies$/,
  "fully loses ful, logy becomes log, and what ally leaves goes through step 2 again": /(?:fully|logy|ally)$/,
};

test("words have the stems that natural gives them, but where NLTK extends Porter's rules", () => {
  const others = Object.entries(stems).filter(([word, stem]) => porterStem(word) !== stem);
  const rules = Object.values(extensions);
  const unexplained = others.filter(([word]) => !rules.some((rule) => rule.test(word)));
  expect(unexplained).toEqual([]);
  // Each extension is seen at work.
  for (const [name, rule] of Object.entries(extensions))
    expect(
      others.some(([word]) => rule.test(word)),
      name,
    ).toBe(true);
  expect(Object.keys(stems).length - others.length).toBeGreaterThan(1400);
});
