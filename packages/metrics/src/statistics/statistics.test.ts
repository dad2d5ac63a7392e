import { readFileSync } from "node:fs";
import {
  approximateRandomization,
  bootstrapIntervals,
  type CorpusResult,
  holm,
  type Metric,
  pairedBootstrap,
} from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";
import { meanMetric } from "../metric.ts";
import { normalCdf, normalQuantile } from "./normal.ts";
import { seededRandom, xoshiro128 } from "./random.ts";

/** Made by tools/reference/metrics_statistics.py with scipy, statsmodels and numpy, over the same draws. */
const golden = JSON.parse(
  readFileSync(new URL("../../goldens/statistics.json", import.meta.url), "utf8"),
) as {
  cases: {
    x: number[];
    y: number[];
    strata: string[];
    intervals: { plain: number[]; stratified: number[]; bca: number[] };
    "p-plain": number;
    "p-stratified": number;
    exactRandomization: number;
  }[];
  holm: { p: number[]; corrected: number[] };
  normal: [number, number][];
};

/** A metric whose score is the number that the prediction spells. */
const spelt: Metric = meanMetric("spelt", ["value"], "spelt", (prediction) =>
  Float64Array.of(Number(prediction)),
);
const corpus = (values: readonly number[]): CorpusResult =>
  spelt.corpus(
    values.map(String),
    values.map(() => [""]),
  );

describe.each(golden.cases.map((item, i) => [i, item] as const))("scores of case %i", (_, item) => {
  const { x, y, strata, intervals } = item;

  it.each([
    ["plain", {}],
    ["stratified", { strata }],
    ["bca", { method: "bca" }],
  ] as const)("have the %s interval of scipy", (kind, options) => {
    const { value } = bootstrapIntervals(spelt, corpus(x), options);
    const [low, high] = intervals[kind];
    expect(value?.low).toBeCloseTo(low ?? Number.NaN, 10);
    expect(value?.high).toBeCloseTo(high ?? Number.NaN, 10);
    expect(value?.value).toBeCloseTo(x.reduce((sum, v) => sum + v, 0) / x.length, 12);
  });

  it("have numpy's p-value by the paired bootstrap", () => {
    expect(pairedBootstrap(spelt, corpus(x), corpus(y)).value?.p).toBeCloseTo(item["p-plain"], 12);
    expect(pairedBootstrap(spelt, corpus(x), corpus(y), { strata }).value?.p).toBeCloseTo(
      item["p-stratified"],
      12,
    );
  });

  it("come near the exact p-value by randomisation", () => {
    const [first, second] = [corpus(x.slice(0, 12)), corpus(y.slice(0, 12))];
    const { p = Number.NaN } = approximateRandomization(spelt, first, second, { trials: 20_000 }).value ?? {};
    const exact = item.exactRandomization;
    // Four standard errors of 20,000 trials.
    expect(Math.abs(p - exact)).toBeLessThan(4 * Math.sqrt((exact * (1 - exact)) / 20_000) + 1e-4);
  });
});

describe("two systems", () => {
  it("that are equal are not told apart", () => {
    const same = corpus([0.1, 0.5, 0.9]);
    expect(pairedBootstrap(spelt, same, same).value).toEqual({ difference: 0, p: 1 });
    expect(approximateRandomization(spelt, same, same, { trials: 100 }).value).toEqual({
      difference: 0,
      p: 1,
    });
  });

  it("need the same items", () => {
    expect(() => pairedBootstrap(spelt, corpus([1, 2]), corpus([1]))).toThrow(
      "the systems have 2 and 1 items",
    );
  });
});

describe("random numbers", () => {
  it("are those of xoshiro128** for the state 1, 2, 3, 4", () => {
    const random = xoshiro128([1, 2, 3, 4]);
    expect(Array.from({ length: 10 }, () => random.next())).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it("below a count are even", () => {
    const random = seededRandom(7);
    const drawn = Array.from({ length: 30_000 }, () => random.below(3));
    for (const value of [0, 1, 2]) {
      const times = drawn.filter((other) => other === value).length;
      expect(Math.abs(times - 10_000)).toBeLessThan(4 * Math.sqrt(30_000 * (2 / 9)));
    }
  });
});

describe("the normal distribution", () => {
  it("is scipy's, and its inverse inverts it", () => {
    for (const [x, p] of golden.normal) {
      expect(Math.abs(normalCdf(x) / p - 1)).toBeLessThan(1e-12);
      if (x > -7 && x < 5) expect(normalQuantile(p)).toBeCloseTo(x, 10);
    }
  });
});

it("Holm's correction is statsmodels'", () => {
  const corrected = holm(golden.holm.p);
  for (const [i, p] of golden.holm.corrected.entries()) expect(corrected[i]).toBeCloseTo(p, 12);
});
