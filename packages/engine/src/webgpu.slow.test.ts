import { NoGpuError, webgpuExecutor } from "@vlmopt/engine";
import { describe, expect, test } from "vitest";
import { expectGoldens } from "./test-support/golden-answer.ts";
import { modelGoldens } from "./test-support/goldens.ts";
import { encoderNames, worstOfHiddenStates } from "./test-support/hidden-states.ts";
import { expectWalk, walkGoldens } from "./test-support/walk-goldens.ts";

const executor = await webgpuExecutor({ f16: false }).catch((error: unknown) => {
  if (!(error instanceof NoGpuError)) throw error;
  console.warn(`The WebGPU executor is not tested with all families here: ${error.message}.`);
  return undefined;
});

// A program that stands in for a card takes long to compile kernels.
describe.skipIf(executor === undefined)("by WebGPU", { timeout: 300_000 }, () => {
  const gpu = executor as NonNullable<typeof executor>;

  test.each(Object.keys(modelGoldens))("%s gives transformers' logits and greedy tokens", (name) =>
    expectGoldens(name, gpu),
  );

  test.each(encoderNames)("%s gives transformers' hidden states, in a batch", async (name) => {
    expect(await worstOfHiddenStates(name, gpu, "last")).toBeLessThan(1e-4);
  });

  test.each(Object.keys(walkGoldens.models))(
    "a walk through %s sees what PyTorch sees while layers, neurons and heads go",
    (name) => expectWalk(name, gpu, 1e-4),
  );
});
