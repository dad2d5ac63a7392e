import { readFileSync } from "node:fs";
import {
  agrestiCoullInterval,
  approximateRandomization,
  bleu,
  bootstrapIntervals,
  type CorpusResult,
  exactMatch,
  holm,
  type Metric,
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
    exactRandomization: number;
  }[];
  paired: { x: number[]; y: number[]; p: number }[];
  /** Items of which both are right, the first alone, the second alone, none. */
  mcnemar: { table: [number, number, number, number]; p: number }[];
  agrestiCoull: [hits: number, count: number, confidence: number, low: number, high: number][];
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

  it("have scipy's exact p-value by randomisation", () => {
    const [first, second] = [corpus(x.slice(0, 12)), corpus(y.slice(0, 12))];
    const { p = Number.NaN, exact } = approximateRandomization(spelt, first, second).value ?? {};
    expect(p).toBeCloseTo(item.exactRandomization, 12);
    expect(exact).toBe(true);
  });
});

describe("several items of one picture", () => {
  const twice = <T>(values: readonly T[]) => values.flatMap((value) => [value, value]);

  it.each(golden.cases)(
    "that are all alike tell no more than one of each",
    ({ x, y, intervals, exactRandomization }) => {
      const clusters = twice(x.map((_, i) => i));
      const { value } = bootstrapIntervals(spelt, corpus(twice(x)), { clusters });
      expect(value?.low).toBeCloseTo(intervals.plain[0] ?? Number.NaN, 10);
      expect(value?.high).toBeCloseTo(intervals.plain[1] ?? Number.NaN, 10);
      const [first, second] = [corpus(twice(x.slice(0, 12))), corpus(twice(y.slice(0, 12)))];
      const compared = approximateRandomization(spelt, first, second, { clusters: clusters.slice(0, 24) });
      expect(compared.value?.p).toBeCloseTo(exactRandomization, 12);
      expect(approximateRandomization(spelt, first, second).value?.p).toBeLessThan(
        exactRandomization + 1e-12,
      );
    },
  );

  it("that are right or wrong have the interval of as many items as they are worth", () => {
    // Korn and Graubard's effective count by scipy.stats.t, the interval by statsmodels: design effect 1.1520, 29 degrees of freedom, 69.354 items.
    const [hits, sizes] = [
      [3, 2, 0, 1, 3, 4, 0, 2, 3, 1],
      [3, 3, 2, 3, 3, 5, 1, 2, 4, 3],
    ];
    const pictures = Array.from({ length: 30 }, (_, i) => i);
    const rows = pictures.flatMap((i) =>
      Array.from({ length: sizes[i % 10] as number }, (_, q) => ({
        right: q < (hits[i % 10] as number) ? 1 : 0,
        i,
      })),
    );
    const { value } = bootstrapIntervals(spelt, corpus(rows.map(({ right }) => right)), {
      clusters: rows.map(({ i }) => i),
    });
    expect(value).toMatchObject({ value: 57 / 87, method: "agresti-coull" });
    expect(value?.low).toBeCloseTo(0.53754, 4);
    expect(value?.high).toBeCloseTo(0.7565, 4);
  });

  it("need a label each", () => {
    expect(() => bootstrapIntervals(spelt, corpus([0, 1, 1]), { clusters: [1, 2] })).toThrow(
      "there are 2 labels of clusters for 3 items: give each item its own",
    );
  });
});

describe("two systems", () => {
  it.each(golden.paired)("are held apart by all swaps, as by scipy: $p", ({ x, y, p }) => {
    expect(approximateRandomization(spelt, corpus(x), corpus(y)).value?.p).toBeCloseTo(p, 12);
    expect(approximateRandomization(spelt, corpus(y), corpus(x)).value?.p).toBeCloseTo(p, 12);
  });

  it.each(golden.mcnemar)(
    "of right and wrong answers are held apart as by McNemar's exact test: $table",
    ({ table, p }) => {
      const [both, first, second, none] = table;
      const rows = [
        ...Array(both).fill([1, 1]),
        ...Array(first).fill([1, 0]),
        ...Array(second).fill([0, 1]),
        ...Array(none).fill([0, 0]),
      ];
      const compared = approximateRandomization(
        spelt,
        corpus(rows.map(([a]) => a)),
        corpus(rows.map(([, b]) => b)),
      );
      expect(compared.value?.p).toBeCloseTo(p, 10);
      expect(compared.value?.exact).toBe(true);
    },
  );

  it("of too many items for all swaps come near the exact p-value by draws, of any seed", () => {
    // Of two figures that differ by a millionth the first has few sums, and the second too many.
    const [first, second] = golden.cases.map(({ x }) => x.slice(0, 25));
    const coarse = (values: readonly number[] = []) => values.map((value) => Math.round(value * 40) / 40);
    const exact = approximateRandomization(spelt, corpus(coarse(first)), corpus(coarse(second))).value;
    const jitter = (values: readonly number[]) => values.map((value, i) => value + Math.sin(i) * 1e-6);
    expect(exact?.exact).toBe(true);
    for (const seed of [1, 2, 3]) {
      const drawn = approximateRandomization(spelt, corpus(jitter(coarse(first))), corpus(coarse(second)), {
        seed,
      }).value;
      expect(drawn?.exact).toBe(false);
      const p = exact?.p ?? Number.NaN;
      // Four standard errors of 10,000 draws.
      expect(Math.abs((drawn?.p ?? 0) - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / 10_000) + 1e-4);
    }
  });

  it("of a figure that is no mean are held apart by all swaps of up to 14 items", () => {
    const metric = bleu();
    const references = Array.from({ length: 6 }, (_, i) => [`the cat sat on mat number ${i} of the house`]);
    const good = references.map(([text = ""]) => text);
    const bad = good.map((text) => text.replace("cat sat", "dog lay"));
    const compared = approximateRandomization(
      metric,
      metric.corpus(bad, references),
      metric.corpus(good, references),
    );
    // All better: two of 2⁶ ways reach as far.
    expect(compared.bleu).toMatchObject({ p: 2 / 64, exact: true });
  });

  it("that are equal are not told apart", () => {
    const same = corpus([0.1, 0.5, 0.9]);
    expect(approximateRandomization(spelt, same, same).value).toEqual({ difference: 0, p: 1, exact: true });
  });

  it("need the same items, two of them, and numbers", () => {
    const compare = (x: readonly number[], y: readonly number[]) => () =>
      approximateRandomization(spelt, corpus(x), corpus(y));
    expect(compare([1, 2], [1])).toThrow("the systems have 2 and 1 items");
    expect(compare([1], [0])).toThrow("a paired test needs at least 2 items, and there is 1");
    expect(compare([1, 0.5, Number.NaN], [0, 0.5, 0])).toThrow(
      "item 3 of 3 has NaN among the numbers behind value",
    );
  });
});

describe("intervals", () => {
  it.each(golden.agrestiCoull)(
    "of %i right answers of %i at %f are statsmodels' by Agresti and Coull",
    (hits, count, confidence, low, high) => {
      const interval = agrestiCoullInterval(hits, count, confidence);
      expect(interval.low).toBeCloseTo(low, 12);
      expect(interval.high).toBeCloseTo(high, 12);
    },
  );

  it("of figures that are 0 or 1 are Agresti and Coull's, and of others are not", () => {
    const metric = exactMatch();
    const right = metric.corpus(Array(50).fill("yes"), Array(50).fill(["yes"]));
    const [, , , low] = golden.agrestiCoull[0] ?? [];
    const { "exact-match": all } = bootstrapIntervals(metric, right);
    expect(all).toMatchObject({ value: 1, high: 1, method: "agresti-coull" });
    expect(all?.low).toBeCloseTo(low ?? Number.NaN, 12);
    expect(bootstrapIntervals(spelt, corpus([0, 1, 0.5])).value?.method).toBe("percentile");
    const counts: Metric = { ...spelt, mean: "number" };
    expect(bootstrapIntervals(counts, corpus([1, 1, 1])).value).toEqual({
      value: 1,
      low: 1,
      high: 1,
      method: "percentile",
    });
  });

  it("are not there for a single item", () => {
    expect(bootstrapIntervals(spelt, corpus([0.5])).value).toMatchObject({
      value: 0.5,
      low: Number.NaN,
      high: Number.NaN,
    });
  });

  it.each([
    [{ confidence: 1.5 }, "confidence is 1.5, not a number above 0 and below 1"],
    [{ confidence: 95 }, "confidence is 95, not a number above 0 and below 1"],
    [{ confidence: 0 }, "confidence is 0, not a number above 0 and below 1"],
    [{ confidence: Number.NaN }, "confidence is NaN, not a number above 0 and below 1"],
    [{ strata: ["a", "b"] }, "there are 2 strata for 3 items: give each item its own"],
    [{ resamples: 0 }, "resamples is 0, not a whole number from 1 on"],
  ])("are refused for %j", (options, message) => {
    expect(() => bootstrapIntervals(spelt, corpus([0.1, 0.2, 0.3]), options)).toThrow(message);
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
  expect(() => holm([0.1, Number.NaN])).toThrow("NaN is no p-value");
});
