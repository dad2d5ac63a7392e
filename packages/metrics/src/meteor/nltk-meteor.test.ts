import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { alignWords, meteor, singleMeteorScore } from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";
import { punktSentences } from "../text/punkt.ts";
import { readPunktParameters } from "../text/punkt-data.ts";
import { splitWords } from "../text/python-classes.ts";
import { wordTokenize } from "../text/word-tokenize.ts";

const goldens = new URL("../../goldens/", import.meta.url);
const nltkData = fileURLToPath(new URL("nltk_data", goldens));
const punkt = readPunktParameters(`${nltkData}/tokenizers/punkt_tab/english`);

interface Case {
  prediction: string;
  references: string[];
  sentences: string[];
  tokens: string[];
  weights: { alpha: number; beta: number; gamma: number };
  score: number;
  whitespace: number;
  alignment: [number, number][];
}

/** Made by tools/reference/metrics_meteor.py with NLTK 3.8.1, 3.9.2 and 3.10.4. */
function cases(nltk: string): Case[] {
  const file = readFileSync(new URL(`meteor-nltk-${nltk}.json.gz`, goldens));
  return (JSON.parse(gunzipSync(file).toString()) as { cases: Case[] }).cases;
}

describe.each(["3.8", "3.9", "3.10"] as const)("420 texts of every kind, against NLTK %s", (nltk) => {
  const all = cases(nltk);

  it("splits sentences by learnt Punkt parameters", () => {
    for (const { prediction, sentences } of all) {
      expect(punktSentences(prediction, punkt, nltk)).toEqual(sentences);
    }
  });

  it("splits words", () => {
    for (const { prediction, tokens } of all) expect(wordTokenize(prediction, punkt, nltk)).toEqual(tokens);
  });

  it("scores them, with one reference and several and with other weights", () => {
    for (const [i, { prediction, references, weights, score, whitespace }] of all.entries()) {
      const tokenized = meteor({ ...weights, nltk, nltkData }).score(prediction, references);
      expect(Math.abs((tokenized.meteor ?? Number.NaN) - score), `case ${i}`).toBeLessThanOrEqual(1e-12);
      const split = meteor({ ...weights, nltk, tokenizer: "whitespace" }).score(prediction, references);
      expect(Math.abs((split.meteor ?? Number.NaN) - whitespace), `case ${i}`).toBeLessThanOrEqual(1e-12);
    }
  });

  it("aligns the same words", () => {
    for (const { prediction, references, alignment } of all) {
      expect(alignWords(splitWords(prediction), splitWords(references[0] ?? ""), { nltk })).toEqual(
        alignment,
      );
    }
  });
});

describe("the figures of NLTK's doctests", () => {
  const words = (text: string) => text.split(" ");
  const guide = "It is a guide to action that ensures that the military will forever heed Party commands";
  const obeys =
    "It is a guide to action which ensures that the military always obeys the commands of the party";

  it("are .6944, and 0 where no word matches", () => {
    expect(singleMeteorScore(words(guide), words(obeys))).toBeCloseTo(0.6944, 4);
    expect(singleMeteorScore(words("this is a cat"), words("non matching hypothesis"))).toBe(0);
  });

  it.each([
    ["on the mat sat the cat", "The cat sat on the mat", 0.5],
    ["The cat sat on the mat", "The cat sat on the mat", 0.9977],
    ["The cat was sat on the mat", "The cat sat on the mat", 0.9654],
    ["creates or updates a virtual machine scale set", "create or update a vm set", 0.7806],
    ["THIS Is a tEST", "this is a test", 0.9921875],
  ])("has for «%s» beside «%s» %d", (prediction, reference, score) => {
    expect(meteor().score(prediction, [reference]).meteor).toBeCloseTo(score, 4);
  });
});

it("says in its signature what the number depends on", () => {
  expect(meteor({ nltkData }).signature).toBe(
    "meteor|variant:nltk|nltk:3.8|tok:word_tokenize|punkt:nltk|stem:porter-nltk|wordnet:3.0|alpha:0.9|beta:3|gamma:0.5|version:0.1.0",
  );
  expect(meteor({ nltkData: false }).signature).toContain("|punkt:builtin|");
  expect(meteor({ tokenizer: "whitespace", nltk: "3.10" }).signature).toContain(
    "|nltk:3.10|tok:whitespace|stem:",
  );
});

it("names the folder that lacks Punkt's parameters", () => {
  expect(() => meteor({ nltkData: "/nowhere" })).toThrow(
    /\/nowhere has no folder tokenizers\/punkt_tab\/english/,
  );
});
