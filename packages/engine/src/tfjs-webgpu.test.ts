import { type Executor, NoGpuError, tfjsExecutor, webgpuExecutor } from "@vlmopt/engine";
import { describe, expect, test } from "vitest";
import { expectGoldens } from "./test-support/golden-answer.ts";

/** Whether there is a graphics card is the same for both. */
const executor = await webgpuExecutor().then(
  () => tfjsExecutor({ backend: "webgpu" }),
  (error: unknown) => {
    if (!(error instanceof NoGpuError)) throw error;
    console.warn(`TensorFlow.js on WebGPU is not tested here: ${error.message}.`);
    return undefined;
  },
);

describe.skipIf(executor === undefined)("by TensorFlow.js on WebGPU", { timeout: 300_000 }, () => {
  test.each(["llava-new", "gemma2"])("%s gives transformers' logits and greedy tokens", (name) =>
    expectGoldens(name, executor as Executor),
  );

  test("WebGPU does not look like a browser's afterwards", () => {
    expect((globalThis.navigator as { gpu?: GPU } | undefined)?.gpu).toBeUndefined();
  });
});
