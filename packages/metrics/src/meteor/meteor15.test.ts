import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { type CorpusResult, meteor } from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";
import { meteor15Words } from "./meteor15-normalize.ts";

const goldens = new URL("../../goldens/", import.meta.url);

interface Case {
  prediction: string;
  references: string[];
}
interface Results {
  statistics: number[][];
  scores: number[];
  corpus: number;
}

/** Made by tools/reference/metrics_meteor15.py with the Java tool. */
const golden = JSON.parse(gunzipSync(readFileSync(new URL("meteor15.json.gz", goldens))).toString()) as {
  cases: Case[];
  normalized: string[];
  plain: Results;
  pairs: Case[];
  paraphrased: Results;
};
const paraphrases = fileURLToPath(new URL("meteor15-paraphrases.gz", goldens));

function scored(cases: Case[], metric = meteor({ variant: "1.5" })): CorpusResult {
  return metric.corpus(
    cases.map(({ prediction }) => prediction),
    cases.map(({ references }) => references),
  );
}

function expectResults(ours: CorpusResult, theirs: Results): void {
  for (const [i, statistics] of theirs.statistics.entries()) {
    expect([...(ours.statistics[i] ?? [])].slice(0, 23), `statistics of case ${i}`).toEqual(statistics);
    const difference = (ours.items[i]?.meteor ?? Number.NaN) - (theirs.scores[i] ?? Number.NaN);
    expect(Math.abs(difference), `score of case ${i}`).toBeLessThanOrEqual(1e-12);
  }
  expect(ours.aggregate.meteor).toBeCloseTo(theirs.corpus, 12);
}

describe("METEOR 1.5, against the Java tool", () => {
  it("normalises 400 texts of every kind", () => {
    for (const [i, { prediction }] of golden.cases.entries()) {
      expect(meteor15Words(prediction).join(" ")).toBe(golden.normalized[i]?.replace(/[ \t]+/g, " ").trim());
    }
  });

  it("scores them, and has the same sufficient statistics", () => {
    expectResults(scored(golden.cases), golden.plain);
  });

  it("scores 180 with a table of paraphrases", () => {
    expectResults(scored(golden.pairs, meteor({ variant: "1.5", paraphrases })), golden.paraphrased);
  });

  it("scores part of a corpus by the sum of its statistics", () => {
    const metric = meteor({ variant: "1.5" });
    const [first, second] = [golden.cases.slice(0, 150), golden.cases.slice(150)];
    const sum = new Float64Array(24);
    for (const item of [...scored(first).statistics, ...scored(second).statistics]) {
      for (const [i, value] of item.entries()) sum[i] = (sum[i] ?? 0) + value;
    }
    expect(metric.aggregate(sum, golden.cases.length).meteor).toBeCloseTo(golden.plain.corpus, 12);
  });

  it("gives .51196 for the cat without paraphrases", () => {
    const { meteor: score } = meteor({ variant: "1.5" }).score("the cat was sat on the mat", [
      "the cat sat on the mat",
    ]);
    expect(score).toBeCloseTo(0.5119556177223324, 12);
  });
});

it("says in its signature whether there were paraphrases", () => {
  expect(meteor({ variant: "1.5" }).signature).toBe(
    "meteor|variant:1.5|lang:en|norm:yes|stem:snowball-english|wordnet:3.0|paraphrases:absent|alpha:0.85|beta:0.2|gamma:0.6|delta:0.75|version:0.1.0",
  );
  expect(meteor({ variant: "1.5", paraphrases }).signature).toContain(
    "|paraphrases:meteor15-paraphrases.gz|",
  );
});

it("refuses a table that ends in the middle of an entry", () => {
  const table = fileURLToPath(new URL("nltk_data/tokenizers/punkt_tab/english/sent_starters.txt", goldens));
  expect(() => meteor({ variant: "1.5", paraphrases: table })).toThrow(
    /sent_starters\.txt ends in the middle of an entry/,
  );
});
