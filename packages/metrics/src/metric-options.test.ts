import {
  agrestiCoullInterval,
  bertScore,
  bertScoreLayer,
  bleu,
  chrf,
  clipScore,
  meteor,
  metricByName,
  perplexity,
  rouge,
  scorecard,
  vqaAccuracy,
} from "@vlmopt/metrics";
import { describe, expect, it, test } from "vitest";

describe("options of metrics that are wrong are refused in one sentence", () => {
  test.each<[string, () => unknown, string]>([
    [
      "bleu",
      () => bleu({ tokenizer: "14a" as "13a" }),
      'bleu: tokenizer is "14a", not one of "13a", "none", "char", "intl"',
    ],
    [
      "bleu",
      () => bleu({ lowerCase: true } as object),
      'bleu: there is no option "lowerCase"; did you mean "lowercase"?',
    ],
    [
      "bleu",
      () => bleu({ smoothing: "x" as "exp" }),
      'bleu: smoothing is "x", not one of "exp", "floor", "add-k", "none"',
    ],
    [
      "rouge",
      () => rouge({ types: ["rouge12" as "rouge1"] }),
      'rouge: types has an item, number 0, that is "rouge12", not one of',
    ],
    ["rouge", () => rouge({ types: [] }), "rouge: types has 0 items, not 1 or more"],
    [
      "rouge",
      () => rouge({ stem: true } as object),
      'rouge: there is no option "stem"; there are types, stemmer',
    ],
    ["chrf", () => chrf({ wordOrder: -1 }), "chrf: wordOrder is -1, not a whole number from 0 to 9"],
    ["meteor", () => meteor({ alpha: 9 }), "meteor: alpha is 9, not a number from 0 to 1"],
    ["meteor", () => meteor({ variant: "1.6" } as object), 'meteor: variant is "1.6", not "nltk"'],
    ["meteor", () => meteor({ variant: "1.5", alpha: 0.5 } as object), 'meteor: there is no option "alpha"'],
    ["meteor", () => meteor({ nltk: "4" as "3.8" }), 'meteor: nltk is "4", not one of "3.8", "3.9", "3.10"'],
    [
      "vqa-accuracy",
      () => vqaAccuracy({ normalise: "never" as "always" }),
      'vqaAccuracy: normalise is "never", not one of',
    ],
    ["bertscore", () => bertScore({} as Parameters<typeof bertScore>[0]), "bertScore: encoder is missing"],
    [
      "clipscore",
      () => clipScore({ encoder: {}, batchSize: 0 } as Parameters<typeof clipScore>[0]),
      "clipScore: batchSize is 0",
    ],
    [
      "perplexity",
      () => perplexity({ model: {}, batchSize: Number.NaN } as Parameters<typeof perplexity>[0]),
      "perplexity: batchSize is NaN",
    ],
    [
      "agresti-coull",
      () => agrestiCoullInterval(3, 2, 0.95),
      "agrestiCoullInterval: hits is 3, not a number from 0 to 2",
    ],
    [
      "agresti-coull",
      () => agrestiCoullInterval(1, 2, 95),
      "agrestiCoullInterval: confidence is 95, not a number above 0 and below 1",
    ],
  ])("%s", (_, make, sentence) => {
    expect(make).toThrow(sentence);
  });

  test("a scorecard's", async () => {
    const items = [{ id: "a", prediction: "a", references: ["a"] }];
    const card = (options: object) => scorecard(items, [bleu()], options);
    await expect(card({ bootstrap: { confidence: 95 } })).rejects.toThrow(
      "scorecard: bootstrap: confidence is 95, not a number above 0 and below 1",
    );
    await expect(card({ by: "colour" })).rejects.toThrow('scorecard: by is "colour", not "topic"');
    await expect(card({ byTopic: true })).rejects.toThrow('scorecard: there is no option "byTopic"');
  });
});

describe("options of metrics by name", () => {
  it.each([
    ["rouge:stemmer:types=rouge1+rougeL", "stem:porter-nltk", "types:rouge1+rougeL"],
    ["bleu:tokenizer=intl:lowercase:smoothing=floor", "tok:intl", "case:lc"],
    ["meteor:nltk=3.10:tokenizer=whitespace:alpha=0.8", "nltk:3.10", "alpha:0.8"],
    ["chrf:wordOrder=1", "nw:1", "case:mixed"],
  ])("%s", async (spec, ...parts) => {
    const { signature } = await metricByName(spec);
    for (const part of parts) expect(signature).toContain(part);
  });

  it("of BERTScore: idf, a file of baselines, and the layer that bert_score takes", async () => {
    const layers: unknown[] = [];
    const encoder = async (layer?: unknown) => {
      layers.push(layer);
      return { name: "roberta-large", layer: 17, encode: async () => [] };
    };
    expect((await metricByName("bertscore:idf:rescale:layer=bert-score", { encoder })).signature).toContain(
      "_L17_idf-rescaled",
    );
    await metricByName("bertscore:layer=9", { encoder });
    expect(layers).toEqual(["bert-score", 9]);
    expect(bertScoreLayer("/models/roberta-large")).toBe(17);
    expect(bertScoreLayer("microsoft/deberta-xlarge-mnli")).toBe(40);
    expect(() => bertScoreLayer("gpt2")).toThrow("bert_score knows no layer for gpt2");
  });

  it.each([
    ["blue", /there is no metric "blue"/],
    ["rouge:stem", /rouge has no option "stem"; there are stemmer, types/],
    ["cider:n=4", /cider has no option "n"; it has none/],
    ["bleu:tokenizer", /bleu: tokenizer is a value/],
    ["bleu:tokenizer=zh", /tokenizer/],
    ["meteor:alpha=much", /alpha is a number/],
  ])("that are wrong are refused: %s", async (spec, problem) => {
    await expect(metricByName(spec)).rejects.toThrow(problem);
  });
});
