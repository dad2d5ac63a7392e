import { decodeImage, loadImageProcessor, loadVlm, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import type { DeviceTensor, Executor } from "../executors/executor.ts";
import { loadModel } from "../model.ts";
import { encoderFixture, vlmGolden } from "../test-support/goldens.ts";
import { visualTokenGoldens } from "../test-support/made-evidence.ts";
import { modelWeights } from "../weights/model-weights.ts";
import { questionRelevance } from "./question-relevance.ts";

async function statesOf(executor: Executor): Promise<DeviceTensor> {
  const checkpoint = await openCheckpoint(vlmGolden("llava"));
  const { forward } = await loadModel(checkpoint, executor);
  const process = await loadImageProcessor(checkpoint, {});
  const image = process(await decodeImage(vlmGolden("picture.png")));
  const pass = forward.imageEncoder?.tokens?.observed(["states"]);
  const prepared = await executor.prepare(pass as never, await modelWeights(checkpoint));
  const { states } = await prepared.run(forward.imageEncoder?.inputsOf(image) ?? {});
  return states as DeviceTensor;
}

describe.each([plainExecutor(), ortExecutor({ threads: 1 })])("by the $name executor", (executor) => {
  test("patches have to do with questions as CLIP in transformers says, long ones in pieces", async () => {
    const states = await statesOf(executor);
    const clip = await questionRelevance(await openCheckpoint(encoderFixture("clip")), executor);
    for (const { question, relevance } of visualTokenGoldens.relevances) {
      const found = await clip.of(states, question);
      expect(found).toHaveLength(relevance.length);
      for (const [i, value] of relevance.entries()) expect(found[i]).toBeCloseTo(value, 5);
    }
    await clip.release();
  });
});

test("the longest question takes more than one piece", () => {
  expect(visualTokenGoldens.relevances.map(({ pieces }) => pieces > 1)).toEqual([false, true]);
});

test("a model asks by the CLIP that it is told", async () => {
  const visualTokens = { keep: 2, method: "cdpruner", clip: encoderFixture("clip") };
  const vlm = await loadVlm(vlmGolden("llava"), { visualTokens });
  const request = { prompt: "What is in the picture?", images: [vlmGolden("picture.png")] };
  const { pictures } = await vlm.generate(request, { maxNewTokens: 1 });
  // The most relevant of the four is chosen first.
  const relevance = visualTokenGoldens.relevances[0]?.relevance ?? [];
  expect(pictures?.[0]?.kept).toHaveLength(2);
  expect(pictures?.[0]?.kept).toContain(relevance.indexOf(Math.max(...relevance)));
  await vlm.release();
  await expect(
    loadVlm(vlmGolden("llava"), { visualTokens: { keep: 2, method: "cdpruner" } }),
  ).rejects.toThrow(
    "the method cdpruner needs clip, the folder of the CLIP whose vision tower the model has",
  );
  await expect(
    loadVlm(vlmGolden("llava"), { visualTokens: { keep: 2, clip: encoderFixture("clip") } }),
  ).rejects.toThrow("clip says nothing, since the method divprune does not look at the question");
});
