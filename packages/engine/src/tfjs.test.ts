import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { type Executor, loadModel, loadVlm, plainExecutor, tfjsExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { expectGoldens, goldenAnswer, largestDifference } from "./test-support/golden-answer.ts";
import { fixture, type ModelGolden, modelGoldens, vlmGolden } from "./test-support/goldens.ts";
import { worstOfHiddenStates } from "./test-support/hidden-states.ts";
import { writeQuantized } from "./test-support/quantized-checkpoint.ts";

const tfjs = await tfjsExecutor({ backend: "wasm" });
const folder = mkdtempSync(join(tmpdir(), "vlmopt-tfjs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function answerBy(executor: Executor, path: string, golden: ModelGolden, newTokens: number) {
  await using checkpoint = await openCheckpoint(path);
  const model = await loadModel(checkpoint, executor);
  const answer = await goldenAnswer(model, golden, newTokens);
  await model.release();
  return answer;
}

/** `tfjs.slow.test.ts` has all. */
const families = ["llava-new", "qwen2_5-vl", "gemma2", "opt"];

describe("by TensorFlow.js", () => {
  test.each(families)("%s gives transformers' logits and greedy tokens", (name) => expectGoldens(name, tfjs));

  test.each(["deberta-v2"])("%s gives transformers' hidden states, in a batch", async (name) => {
    expect(await worstOfHiddenStates(name, tfjs, "last")).toBeLessThan(1e-4);
  });

  test("computes with int4 weights as with the weights decoded", async () => {
    await writeQuantized(fixture("llava"), "int4-g16", join(folder, "int4"));
    const [golden] = modelGoldens.llava as [ModelGolden];
    const [plain, ours] = await Promise.all(
      [plainExecutor(), tfjs].map((executor) => answerBy(executor, join(folder, "int4"), golden, 0)),
    );
    expect(largestDifference(ours?.logits ?? [], plain?.logits ?? [])).toBeLessThan(1e-4);
  });

  test("answers at length as the plain executor does, while blocks of the cache merge", async () => {
    const [golden] = modelGoldens.gemma2 as [ModelGolden];
    const [plain, ours] = await Promise.all(
      [plainExecutor(), tfjs].map((executor) => answerBy(executor, fixture("gemma2"), golden, 100)),
    );
    expect(ours?.greedy).toEqual(plain?.greedy);
  });

  test("answers a batch of unequal prompts as one by one, and keeps no tensor of them", async () => {
    const before = tf.memory().numTensors;
    const vlm = await loadVlm(vlmGolden("qwen2_vl"), { executor: tfjs });
    const images = [vlmGolden("picture.png")];
    const requests = [
      { prompt: "What is in the picture?", images },
      { prompt: "Hello" },
      { prompt: "Are these two the same?", images: [...images, ...images] },
    ];
    const options = { maxNewTokens: 6 };
    const alone = [];
    for (const request of requests) alone.push((await vlm.generate(request, options)).tokens);
    const loaded = tf.memory().numTensors;
    expect(loaded).toBeGreaterThan(before);
    for (let round = 0; round < 5; round++) {
      const { answers } = await vlm.generateBatch(requests, options);
      expect(answers.map(({ tokens }) => tokens)).toEqual(alone);
      await vlm.logits(requests[2] as (typeof requests)[0]);
    }
    expect(tf.memory().numTensors).toBe(loaded);
    await vlm.release();
    expect(tf.memory().numTensors).toBe(before);
  });

  test("a package that is missing is named, and what to do", async () => {
    await expect(tfjsExecutor({ backend: "tensorflow" })).rejects.toThrow(
      "@tensorflow/tfjs-node-gpu or @tensorflow/tfjs-node is not installed: run npm install @tensorflow/tfjs-node-gpu",
    );
  });
});
