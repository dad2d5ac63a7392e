import { tfjsExecutor } from "@vlmopt/engine";
import { describe, expect, test } from "vitest";
import { expectGoldens } from "./test-support/golden-answer.ts";
import { modelGoldens } from "./test-support/goldens.ts";
import { encoderNames, worstOfHiddenStates } from "./test-support/hidden-states.ts";

// `tfjs-webgpu.test.ts` has WebGPU.
describe.each(["wasm", "cpu"] as const)("by TensorFlow.js on %s", { timeout: 300_000 }, (backend) => {
  test.each(Object.keys(modelGoldens))("%s gives transformers' logits and greedy tokens", async (name) =>
    expectGoldens(name, await tfjsExecutor({ backend })),
  );

  test.each(encoderNames)("%s gives transformers' hidden states, in a batch", async (name) => {
    expect(await worstOfHiddenStates(name, await tfjsExecutor({ backend }), "each")).toBeLessThan(1e-4);
  });
});
