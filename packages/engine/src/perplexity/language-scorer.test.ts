import { readFileSync } from "node:fs";
import { languageScorer, modelWeights, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { gpt2Forward } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { encoderFixture, fixture, vlmGolden } from "../test-support/goldens.ts";
import { type Likelihoods, scorerGoldens } from "../test-support/scorer-goldens.ts";

const { texts, gpt2, llava } = scorerGoldens;
const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];

async function expectLikelihoods(path: string, executor: (typeof executors)[0], expected: Likelihoods) {
  const scorer = await languageScorer(path, { executor });
  for (const startToken of [true, false]) {
    const found = await scorer.negativeLogLikelihoods(texts, { startToken });
    for (const [n, { nats, tokens }] of expected[`${startToken}`].entries()) {
      expect(found[n]?.tokens).toBe(tokens);
      expect(Math.abs((found[n]?.nats ?? 0) - nats)).toBeLessThanOrEqual(1e-4 * Math.max(1, tokens));
    }
  }
  await scorer.release();
}

describe.each(executors)("by the $name executor", (executor) => {
  test("GPT-2 gives transformers' logits, and the same beside a longer text", async () => {
    await using checkpoint = await openCheckpoint(encoderFixture("gpt2"));
    const weights = await modelWeights(checkpoint);
    const config: unknown = JSON.parse(readFileSync(`${encoderFixture("gpt2")}/config.json`, "utf8"));
    const forward = gpt2Forward(config, weights.specs);
    const pass = await executor.prepare(forward.pass, weights);
    const longer = [...gpt2.ids, 7, 8, 9];
    const second = gpt2.ids.map((_, token) => longer.length + token);
    for (const inputs of [
      forward.inputsOf([gpt2.ids], [...gpt2.ids.keys()]),
      forward.inputsOf([longer, gpt2.ids], second),
    ]) {
      const { logits } = await pass.run(inputs);
      const found = (await logits?.read()) ?? [];
      expect(found.length).toBe(gpt2.logits.length);
      const worst = gpt2.logits.reduce((most, x, i) => Math.max(most, Math.abs(x - (found[i] as number))), 0);
      expect(worst).toBeLessThan(1e-4);
    }
    await pass.release();
  });

  test("GPT-2 finds texts as likely as transformers does, in batches, long ones cut", () =>
    expectLikelihoods(encoderFixture("gpt2"), executor, gpt2.likelihoods));

  test("so does the language model of a LLaVA", () => expectLikelihoods(vlmGolden("llava"), executor, llava));
});

describe("a checkpoint is refused", () => {
  test("without a tokenizer", async () => {
    await expect(languageScorer(fixture("llama"))).rejects.toThrow(/there is no tokenizer\.json in .*llama/);
  });

  test("of a model that sees its prompt whole", async () => {
    await using checkpoint = await openCheckpoint(fixture("paligemma"));
    const withTokenizer = {
      ...checkpoint,
      readSibling: async (name: string) =>
        name.startsWith("tokenizer")
          ? new Uint8Array(readFileSync(`${encoderFixture("gpt2")}/${name}`))
          : checkpoint.readSibling(name),
    };
    await expect(languageScorer(withTokenizer, { executor: plainExecutor() })).rejects.toThrow(
      "a paligemma sees its prompt whole",
    );
  });
});
