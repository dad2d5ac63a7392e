import { type CorpusResult, cocoRougeL, retention, rouge, shuffledReferences } from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";

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

describe("shuffled references", () => {
  it("are all there, none in its place, and the same for one seed", () => {
    const own = Array.from({ length: 500 }, (_, i) => i);
    const shuffled = shuffledReferences(own, 7);
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(own);
    expect(shuffled.filter((x, i) => x === i)).toEqual([]);
    expect(shuffledReferences(own, 7)).toEqual(shuffled);
    expect(shuffledReferences(own, 8)).not.toEqual(shuffled);
  });

  it("are swapped where there are two, and refused where there is one", () => {
    expect(shuffledReferences(["a", "b"])).toEqual(["b", "a"]);
    expect(() => shuffledReferences(["a"])).toThrow(
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
    const kept = retention(metric, {
      model: scoring(1, 0),
      dense: scoring(1, 1),
      floor: scoring(0, 0),
    }).rouge1;
    expect(kept).toEqual({ value: 0.5, low: 0, high: 1 });
  });

  it("is not a number where the dense model has no skill", () => {
    const { rouge1 } = retention(metric, { model: floor, dense: floor, floor: dense });
    expect(rouge1).toEqual({ value: Number.NaN, low: Number.NaN, high: Number.NaN });
  });

  it("shows a model that answers other questions as broken, though its score is not 0", () => {
    const answers = ["the cat sat on the mat", "the dog ran in the park"];
    const references = answers.map((answer) => [answer]);
    const coco = cocoRougeL();
    const dense = coco.corpus(answers, references);
    const floor = coco.corpus(answers, shuffledReferences(references));
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
