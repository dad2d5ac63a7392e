import {
  bootstrapIntervals,
  type CorpusResult,
  cocoRougeL,
  type Metric,
  noSkillFloor,
  retention,
  rouge,
} from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";
import { meanMetric } from "../metric.ts";
import { seededRandom } from "./random.ts";

const metric = rouge({ types: ["rouge1"] });
/** Items that score so, with nothing else to them. */
const scoring = (...scores: number[]): CorpusResult => {
  const statistics = scores.map((x) => Float64Array.of(x, x, x));
  const sum = scores.reduce((total, x) => total + x, 0);
  return {
    signature: "",
    aggregate: metric.aggregate(Float64Array.of(sum, sum, sum), scores.length),
    items: [],
    statistics,
  };
};

/** What pairs of items score, `[prediction][references]`, as a metric of texts that name them. */
const pairScores = (scores: readonly (readonly number[])[]): Metric =>
  meanMetric("pairs", ["pairs"], "pairs", (prediction, [reference = ""]) =>
    Float64Array.of(scores[Number(prediction)]?.[Number(reference)] ?? Number.NaN),
  );
const names = (count: number) => Array.from({ length: count }, (_, i) => String(i));

describe("the floor", () => {
  it("is what predictions score against all others' references, on average", async () => {
    const metric = pairScores([
      [1, 0.2, 0.3],
      [0, 1, 0.5],
      [0.4, 0.4, 1],
    ]);
    const floor = await noSkillFloor(
      metric,
      names(3),
      names(3).map((name) => [name]),
    );
    expect(floor.aggregate.pairs).toBeCloseTo((0.2 + 0.3 + 0 + 0.5 + 0.4 + 0.4) / 6, 12);
    // Row, and column, and less the mean: (.5 + .4) / 2 … of item 0 (.2 + .3) / 2 + (0 + .4) / 2 − .3.
    expect(floor.statistics[0]?.[0]).toBeCloseTo(0.25 + 0.2 - 0.3, 12);
  });

  it("does not depend on the seed where all items meet, and little where they are many", async () => {
    const count = 400;
    const scores = names(count).map((_, i) =>
      names(count).map((_, j) => ((i * 7919 + j * 104729) % 1000) / 1000),
    );
    const all = scores.flatMap((row, i) => row.filter((_, j) => j !== i));
    const mean = all.reduce((sum, x) => sum + x, 0) / all.length;
    const metric = pairScores(scores);
    const references = names(count).map((name) => [name]);
    for (const seed of [1, 2, 3]) {
      const floor = await noSkillFloor(metric, names(count), references, { seed });
      expect(Math.abs((floor.aggregate.pairs ?? 0) - mean)).toBeLessThan(0.01);
      const few = await noSkillFloor(metric, names(100), references.slice(0, 100), { seed });
      expect(few.aggregate.pairs).toBe(
        (await noSkillFloor(metric, names(100), references.slice(0, 100))).aggregate.pairs,
      );
    }
  });

  it("varies by predictions and by references, as all pairs of resampled items do", async () => {
    // Scores that a prediction and a reference add up to: resampling items resamples both.
    const random = seededRandom(5);
    const draw = () => random.next() / 2 ** 32;
    const [rows, columns] = [names(60).map(draw), names(60).map(draw)];
    const scores = rows.map((a) => columns.map((b) => a + b));
    const metric = pairScores(scores);
    const floor = await noSkillFloor(
      metric,
      names(60),
      names(60).map((name) => [name]),
    );
    const { pairs } = bootstrapIntervals({ ...metric, mean: "number" }, floor, { resamples: 4000 });
    const spread = (values: readonly number[]) => {
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0)) / values.length;
    };
    const both = spread(rows.map((a, i) => a + (columns[i] ?? 0)));
    expect(((pairs?.high ?? 0) - (pairs?.low ?? 0)) / (2 * 1.96 * both)).toBeCloseTo(1, 1);
  });

  it("is refused for one item", async () => {
    await expect(noSkillFloor(metric, ["a"], [["a"]])).rejects.toThrow(
      "a no-skill floor needs the references of other items, and there are 1",
    );
  });
});

describe("retention", () => {
  const dense = scoring(0.9, 0.5, 0.7, 0.8);
  const floor = scoring(0.1, 0.3, 0.2, 0.1);

  it("is 1 for the dense model, 0 for the floor, in every resample", () => {
    expect(retention(metric, { model: dense, dense, floor }).rouge1).toEqual({ value: 1, low: 1, high: 1 });
    expect(retention(metric, { model: floor, dense, floor }).rouge1).toEqual({ value: 0, low: 0, high: 0 });
  });

  it("is a half for a model half way on every item", () => {
    const kept = retention(metric, { model: scoring(0.5, 0.4, 0.45, 0.45), dense, floor }).rouge1;
    for (const bound of [kept?.value, kept?.low, kept?.high]) expect(bound).toBeCloseTo(0.5, 12);
  });

  it("spans what resamples of the items span", () => {
    // Two items, kept whole and lost whole: resamples hold both, or one twice, with chances 1/2, 1/4, 1/4.
    const halves = { dense: scoring(0.5, 0.5), floor: scoring(0, 0) };
    expect(retention(metric, { model: scoring(0.5, 0), ...halves }).rouge1).toEqual({
      value: 0.5,
      low: 0,
      high: 1,
    });
  });

  it("of right and wrong answers allows for what was not seen", () => {
    const count = 50;
    const right = scoring(...Array<number>(count).fill(1));
    const none = scoring(...Array<number>(count).fill(0));
    const kept = retention(metric, { model: right, dense: right, floor: none }).rouge1;
    // Of 50 answers none changed: up to 3 / 50 may have (Hanley and Lippman-Hand 1983).
    expect(kept?.value).toBe(1);
    expect(kept?.low).toBeGreaterThan(1 - 5 / count);
    expect(kept?.low).toBeLessThan(1 - 2 / count);
  });

  it("of a single item has no interval", () => {
    const one = retention(metric, { model: scoring(0.4), dense: scoring(0.8), floor: scoring(0.2) }).rouge1;
    expect(one?.value).toBeCloseTo(1 / 3, 12);
    expect([one?.low, one?.high]).toEqual([Number.NaN, Number.NaN]);
  });

  it("is not a number where the dense model has no skill", () => {
    const { rouge1 } = retention(metric, { model: floor, dense: floor, floor: dense });
    expect(rouge1).toEqual({ value: Number.NaN, low: Number.NaN, high: Number.NaN });
  });

  it("shows a model that answers other questions as broken, though its score is not 0", async () => {
    const answers = ["the cat sat on the mat", "the dog ran in the park"];
    const references = answers.map((answer) => [answer]);
    const coco = cocoRougeL();
    const dense = coco.corpus(answers, references);
    const floor = await noSkillFloor(coco, answers, references);
    const model = coco.corpus(answers.toReversed(), references);
    expect(model.aggregate.rougeL).toBeCloseTo(2 / 6, 12);
    expect(retention(coco, { model, dense, floor }).rougeL?.value).toBeCloseTo(0, 12);
  });

  it("wants the same items of all", () => {
    expect(() => retention(metric, { model: scoring(1), dense, floor })).toThrow(
      "model, dense model and floor have 1, 4, 4 items; retention needs the same items of all",
    );
  });
});
