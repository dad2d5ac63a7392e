import { loadModel, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { goldenAnswer, largestDifference } from "./test-support/golden-answer.ts";
import { fixture, modelGoldens } from "./test-support/goldens.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];

describe.each(executors)("by the $name executor", (executor) => {
  test.each(Object.keys(modelGoldens))("%s gives transformers' logits and greedy tokens", async (name) => {
    await using checkpoint = await openCheckpoint(fixture(name));
    const model = await loadModel(checkpoint, executor);
    for (const golden of modelGoldens[name] ?? []) {
      const { logits, greedy } = await goldenAnswer(model, golden);
      expect(largestDifference(logits, golden.logits.flat())).toBeLessThan(1e-4);
      expect(greedy).toEqual(golden.greedy);
    }
    await model.release();
  });
});
