import {
  approximateRandomization,
  bootstrapIntervals,
  judge,
  judgePrompt,
  noSkillFloor,
  sentenceSimilarity,
} from "@vlmopt/metrics";
import { expect, test } from "vitest";

/** Says the first grade in the first pass and the second in the other, by what the answer is. */
const judging = (grades: Record<string, [string, string]>, asked: string[] = []) => ({
  name: "org/judge",
  async ask(prompts: readonly string[]) {
    asked.push(...prompts);
    return prompts.map((prompt) => {
      const [answer = ""] = Object.keys(grades).filter((text) => prompt.includes(`grade:\n- ${text}\n`));
      const isFirst = prompt.indexOf("Reference") < prompt.indexOf("Answer to grade");
      return grades[answer]?.[isFirst ? 0 : 1] ?? "";
    });
  },
});

test("grades are means of a first pass, and a second one tells how far they agree", async () => {
  const model = judging({ red: ["Right.", "right"], blue: ["partly", "wrong"], "a cat": ["WRONG", "wrong"] });
  const metric = judge({ model });
  const result = await metric.corpus(["red", "blue", "a cat"], [["red"], ["navy", "dark blue"], ["a dog"]]);
  expect(result.aggregate).toEqual({ judge: 0.5, "judge-agreement": 2 / 3 });
  expect(result.items[1]).toEqual({ judge: 0.5, "judge-agreement": 0 });
  expect(result.signature).toMatch(/^judge\|model:org\/judge\|prompt:v1\|passes:2/);
  // It is tested as any metric.
  expect(bootstrapIntervals(metric, result).judge?.high).toBe(1);
  expect(approximateRandomization(metric, result, result).judge?.p).toBe(1);
});

test("a floor is not made of thousands of requests", async () => {
  const asked: string[] = [];
  const answers = Array.from({ length: 40 }, (_, i) => `answer ${i}.`);
  const model = judging(Object.fromEntries(answers.map((text) => [text, ["right", "right"]])), asked);
  await noSkillFloor(
    judge({ model }),
    answers,
    answers.map((text) => [text]),
  );
  expect(asked).toHaveLength(80);
});

test("a reply that is no grade is refused", async () => {
  const metric = judge({ model: judging({ red: ["I like it, it is incorrect", "right"] }) });
  await expect(metric.corpus(["red"], [["red"]])).rejects.toThrow(
    'org/judge replied "I like it, it is incorrect", which is none of right, partly and wrong: take another judge',
  );
  expect(judgePrompt("red", ["a", "b"], 1)).toContain(
    "Reference answers, each of which is right:\n- a\n- b\n",
  );
});

test("sentences are as similar as the means of their tokens' vectors", async () => {
  const vectors: Record<string, number[]> = { a: [1, 0, 0, 1], b: [1, 1], c: [-1, 0, 0, 0] };
  const encoder = {
    name: "toy",
    layer: 1,
    hiddenSize: 2,
    encode: async (texts: readonly string[]) =>
      texts.map((text) => {
        const embeddings = Float32Array.from(vectors[text] ?? []);
        const tokens = embeddings.length / 2;
        return {
          ids: new Array<number>(tokens).fill(0),
          special: new Array<number>(tokens).fill(0),
          embeddings,
        };
      }),
  };
  const { items } = await sentenceSimilarity({ encoder }).corpus(["a", "b", "c"], [["b"], ["c", "a"], ["b"]]);
  // Means (½, ½), (1, 1) and (-½, 0).
  expect(items[0]?.["sentence-similarity"]).toBeCloseTo(1, 12);
  expect(items[1]?.["sentence-similarity"]).toBeCloseTo(1, 12);
  expect(items[2]?.["sentence-similarity"]).toBeCloseTo(-Math.SQRT1_2, 12);
});
