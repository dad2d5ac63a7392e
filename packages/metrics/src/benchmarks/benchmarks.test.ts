import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { type Metric, metricByName, packUnit, type ReadingName, readings } from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";
import { roundedToCents } from "../reading/python-number.ts";

interface Case {
  readonly answer: string;
  readonly reference?: string;
  readonly references?: readonly string[];
  readonly choices?: readonly string[];
  readonly kind?: string;
  readonly reading?: unknown;
  readonly score?: number;
}

/** By lmms-eval 0.7.3 (tools/reference/bench_tasks.py). */
const golden = JSON.parse(
  gunzipSync(readFileSync(new URL("../../goldens/benchmarks.json.gz", import.meta.url))).toString(),
) as {
  cases: Readonly<Record<string, readonly Case[]>>;
  pairs: readonly { category: string; answers: string[]; references: string[] }[];
  totals: Readonly<Record<string, number>>;
};

const cases = (name: string): readonly Case[] => golden.cases[name] ?? [];
const read = (name: ReadingName, { answer, choices = [] }: Case) =>
  readings[name](answer, { id: "1", choices });
const metric = async (name: string) => (await metricByName(name)) as Metric;

describe("readings of 500 made answers are lmms-eval's:", () => {
  it.each(["yes-no", "first-character", "leading-letter", "mmbench-letter", "mmmu-letter"] as const)(
    "%s",
    (name) => {
      expect(cases(name)).toHaveLength(500);
      for (const one of cases(name)) expect(read(name, one), JSON.stringify(one)).toBe(one.reading);
    },
  );

  it("mmmu-open", () => {
    for (const one of cases("mmmu-open")) {
      const found = JSON.parse(read("mmmu-open", one)) as (string | number)[];
      expect(new Set(found), JSON.stringify(one)).toEqual(new Set(one.reading as (string | number)[]));
    }
  });

  it("box", () => {
    // Python writes -0.0.
    for (const one of cases("box"))
      expect(JSON.parse(read("box", one)), one.answer).toEqual((one.reading as number[]).map((x) => x + 0));
  });

  it("pope", () => {
    for (const one of cases("pope")) expect(read("lower", one)).toBe(one.reading);
  });
});

describe("scores of 500 made answers are lmms-eval's:", () => {
  it.each([
    ["exact-match-lmms", "text", "exact-match-lmms"],
    ["relaxed-accuracy", "text", "relaxed-accuracy"],
    ["letter-before-period", "letter-before-period", "letter-match"],
    ["first-character", "first-character", "letter-match"],
    ["leading-letter", "leading-letter", "exact-match-lmms"],
    ["mmmu-open", "mmmu-open", "mmmu"],
    ["anls-lmms", "text", "anls-lmms"],
    ["vqa-accuracy", "text", "vqa-accuracy"],
    ["pope", "lower", "pope"],
  ] as const)("%s", async (name, reading, metricName) => {
    const scorer = await metric(metricName);
    const figure = metricName === "pope" ? "pope-accuracy" : metricName;
    for (const one of cases(name)) {
      const references = one.references ?? [one.reference ?? ""];
      expect(scorer.score(read(reading, one), references)[figure], JSON.stringify(one)).toBeCloseTo(
        one.score ?? -1,
        12,
      );
    }
  });

  it("OCRBench, formulas without blanks", async () => {
    const scorer = await metric("ocrbench");
    for (const one of cases("ocrbench")) {
      const reading = one.kind === "HME100k" ? "text-without-blanks" : "folded-text";
      const references = (one.references ?? []).map((answer) => read(reading, { answer }));
      expect(scorer.score(read(reading, one), references).ocrbench, JSON.stringify(one)).toBe(one.score);
    }
  });

  it("boxes", async () => {
    const scorer = await metric("box-overlap");
    for (const one of cases("box") as readonly (Case & { half: number; centre: number })[]) {
      const scores = scorer.score(read("box", one), [one.reference ?? ""]);
      expect(scores["box-iou"], JSON.stringify(one)).toBeCloseTo(one.score ?? -1, 12);
      expect([scores["box-acc@0.5"], scores["box-centre"]]).toEqual([one.half, one.centre]);
    }
  });

  it("POPE's F1, precision, recall and shares of yes", async () => {
    const scorer = await metric("pope");
    const all = cases("pope");
    const { aggregate } = scorer.corpus(
      all.map((one) => read("lower", one)),
      all.map(({ reference = "" }) => [reference]),
    );
    for (const figure of ["pope-f1", "pope-accuracy", "pope-precision", "pope-recall", "pope-yes-references"])
      expect(aggregate[figure], figure).toBeCloseTo(golden.totals[figure] ?? -1, 12);
    const yes = all.filter((one) => one.reading === "yes").length;
    expect(aggregate["pope-yes-rate"]).toBeCloseTo(yes / 500, 12);
  });

  it("MME's pairs and sums", async () => {
    const scorer = await metric("mme");
    const { aggregate } = scorer.corpus(
      golden.pairs.map(({ answers }) => packUnit(answers.map((answer) => read("yes-no", { answer })))),
      golden.pairs.map(({ category, references }) => [
        packUnit([category, ...references.map((answer) => read("yes-no", { answer }))]),
      ]),
    );
    for (const figure of ["mme-perception", "mme-cognition"])
      expect(aggregate[figure], figure).toBeCloseTo(golden.totals[figure] ?? -1, 9);
  });

  it("MMBench's rounds count together", async () => {
    const scorer = await metric("circular");
    const reference = [packUnit(["logic", "A", "B"])];
    expect(scorer.score(packUnit(["A", "B"]), reference).circular).toBe(1);
    expect(scorer.score(packUnit(["A", "C"]), reference).circular).toBe(0);
    expect(scorer.score(packUnit(["A"]), reference).circular).toBe(0);
    for (const name of ["circular", "mme"])
      await expect(async () => (await metric(name)).score("yes", ["yes"])).rejects.toThrow(
        `${name} scores questions that count together, and "yes" is no unit of them`,
      );
  });
});

it("numbers are rounded as Python rounds them: of the exact value, ties to even", () => {
  // round(x, 2) in Python 3.11
  const rounded = [0.125, 0.375, 2.675, 1.005, -0.125, 12.345, 1e22, 0.625].map(roundedToCents);
  expect(rounded).toEqual([0.12, 0.38, 2.67, 1, -0.12, 12.35, 1e22, 0.62]);
});

it("POPE's authors take what does not say no for yes", () => {
  const said = ["No, there is none.", "There is a cat. No dog.", "it is not", "Maybe"].map((answer) =>
    read("yes-no-llava", { answer }),
  );
  expect(said).toEqual(["no", "yes", "no", "yes"]);
});
