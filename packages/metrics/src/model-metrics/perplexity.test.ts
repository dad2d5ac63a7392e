import { bootstrapIntervals, type LanguageModelScorer, perplexity } from "@vlmopt/metrics";
import { describe, expect, it } from "vitest";

/** Letters for tokens, each with one chance in `choices` of the next. */
const uniform = (choices: (letter: string) => number): LanguageModelScorer => ({
  name: "letters",
  negativeLogLikelihoods: async (texts, { startToken }) =>
    texts.map((text) => {
      const predicted = [...text].slice(startToken ? 0 : 1);
      return {
        nats: predicted.reduce((sum, letter) => sum + Math.log(choices(letter)), 0),
        tokens: predicted.length,
      };
    }),
});

describe("perplexity", () => {
  it("is the number of choices of a model that thinks all equally likely", async () => {
    const { perplexity: value } = await perplexity({ model: uniform(() => 50) }).score("abcdef");
    expect(value).toBeCloseTo(50, 10);
  });

  it("is the mean over texts, and beside it the corpus' by tokens", async () => {
    const metric = perplexity({ model: uniform((letter) => (letter === "a" ? 2 : 8)), batchSize: 1 });
    const result = await metric.corpus(["a", "bbb"]);
    expect(result.items.map((item) => item.perplexity)).toEqual([
      expect.closeTo(2, 10),
      expect.closeTo(8, 10),
    ]);
    expect(result.aggregate.perplexity).toBeCloseTo(5, 10);
    // 2¹ and 8³ over four tokens: (2 · 8³)^(1/4).
    expect(result.aggregate["perplexity-corpus"]).toBeCloseTo(1024 ** 0.25, 10);
    expect(result.signature).toBe("perplexity|model:letters|start:yes|version:0.1.0");
    const interval = bootstrapIntervals(metric, result)["perplexity-corpus"];
    expect(interval?.low).toBeCloseTo(2, 10);
    expect(interval?.high).toBeCloseTo(8, 10);
  });

  it("predicts one token less without a start token, and leaves out a text that has none", async () => {
    const metric = perplexity({ model: uniform((letter) => (letter === "a" ? 2 : 8)), startToken: false });
    const { aggregate, items } = await metric.corpus(["ab", "a", ""]);
    expect(aggregate.perplexity).toBeCloseTo(8, 10);
    expect(items.map((item) => item.perplexity)).toEqual([expect.closeTo(8, 10), Number.NaN, Number.NaN]);
  });
});
