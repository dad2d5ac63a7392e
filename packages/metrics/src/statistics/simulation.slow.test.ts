import { approximateRandomization, bootstrapIntervals, type CorpusResult, retention } from "@vlmopt/metrics";
import { describe, expect, test, vi } from "vitest";
import { meanMetric } from "../metric.ts";
import { seededRandom } from "./random.ts";

const TIMES = 2000;
vi.setConfig({ testTimeout: 600_000 });
const random = seededRandom(2024);
/** What chance does to a share of so many simulations. */
const standardError = (share: number, times: number) => Math.sqrt((share * (1 - share)) / times);
const uniform = () => random.next() / 2 ** 32;
/** Irwin and Hall's near-normal deviate, of variance 1. */
const deviate = () => Array.from({ length: 12 }, uniform).reduce((sum, x) => sum + x, -6);

const shares = meanMetric("share", ["share"], "share", () => new Float64Array(1));
const of = (values: readonly number[]): CorpusResult => {
  const statistics = values.map((value) => Float64Array.of(value));
  const sum = values.reduce((total, value) => total + value, 0);
  return { signature: "", aggregate: { share: sum / values.length }, items: [], statistics };
};
const draw = (count: number, value: () => number) => Array.from({ length: count }, value);
const covered = (p: number, { low, high }: { low: number; high: number } = { low: 1, high: 0 }) =>
  low <= p && p <= high;

describe("95 % intervals hold what they are for", () => {
  test.each(
    [20, 50, 100, 400].flatMap((count) =>
      [0.02, 0.05, 0.1, 0.3, 0.5, 0.8, 0.95, 0.98].map((p) => [count, p] as const),
    ),
  )("of %i right and wrong answers, of which %f are right", (count, p) => {
    let held = 0;
    for (let i = 0; i < TIMES; i++) {
      const right = of(draw(count, () => (uniform() < p ? 1 : 0)));
      if (covered(p, bootstrapIntervals(shares, right, { resamples: 1 }).share)) held++;
    }
    expect(held / TIMES).toBeGreaterThan(0.92 - standardError(0.92, TIMES));
  });

  test.each([30, 100])("of the means of %i scores between 0 and 1", (count) => {
    let held = 0;
    for (let i = 0; i < TIMES; i++) {
      const scores = of(draw(count, () => (uniform() + uniform()) / 2));
      if (covered(0.5, bootstrapIntervals(shares, scores, { resamples: 400, seed: i }).share)) held++;
    }
    expect(held / TIMES).toBeGreaterThan(0.92);
  });

  test.each([
    [20, 0.9, 0.1],
    [50, 0.98, 0.02],
    [50, 0.7, 0.05],
    [100, 0.9, 0.02],
    [100, 0.5, 0.2],
  ])("of what %i answers keep, right with chance %f, and changed with chance %f", (count, p, changed) => {
    // A changed answer is right half as often. The floor is .1.
    const kept = ((1 - changed) * p + (changed * p) / 2 - 0.1) / (p - 0.1);
    let held = 0;
    for (let i = 0; i < TIMES; i++) {
      const dense = draw(count, () => (uniform() < p ? 1 : 0));
      const model = dense.map((right) => (uniform() < changed ? (uniform() < p / 2 ? 1 : 0) : right));
      const results = { model: of(model), dense: of(dense), floor: of(draw(count, () => 0.1)) };
      if (covered(kept, retention(shares, results, { resamples: 400, seed: i }).share)) held++;
    }
    expect(held / TIMES).toBeGreaterThan(0.92);
  });
});

describe("tests at 5 % find differences where there are none in 6 % at most", () => {
  test.each(
    [8, 12, 16, 50].flatMap((count) =>
      (["right and wrong", "tenths", "any", "skewed"] as const).map((kind) => [count, kind] as const),
    ),
  )("of %i items whose scores are %s", (count, kind) => {
    const score = {
      "right and wrong": () => (uniform() < 0.7 ? 1 : 0),
      tenths: () => Math.round(10 * uniform()) / 10,
      any: () => 0.5 + 0.1 * deviate(),
      skewed: () => uniform() ** 8,
    }[kind];
    const times = count > 16 && kind !== "right and wrong" ? TIMES / 4 : TIMES;
    let found = 0;
    for (let i = 0; i < times; i++) {
      const [a, b] = [of(draw(count, score)), of(draw(count, score))];
      const { p } = approximateRandomization(shares, a, b, { trials: 400, seed: i }).share ?? { p: 0 };
      if (p <= 0.05) found++;
    }
    expect(found / times).toBeLessThan(0.06 + standardError(0.05, times));
  });
});
