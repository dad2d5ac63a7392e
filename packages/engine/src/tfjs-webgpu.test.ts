import { loadVlm, NoGpuError, plainExecutor, tfjsExecutor, webgpuExecutor } from "@vlmopt/engine";
import { expect, test } from "vitest";
import { largestDifference } from "./test-support/golden-answer.ts";
import { vlmGolden } from "./test-support/goldens.ts";

/** Whether there is a graphics card is the same for both. */
const missing = await webgpuExecutor().then(
  () => undefined,
  (error: unknown) => {
    if (error instanceof NoGpuError) return error;
    throw error;
  },
);
if (missing !== undefined) console.warn(`TensorFlow.js on WebGPU is not tested here: ${missing.message}.`);

test.skipIf(missing !== undefined)(
  "TensorFlow.js on WebGPU gives the plain executor's logits, and WebGPU does not look like a browser's afterwards",
  { timeout: 300_000 },
  async () => {
    const found = [];
    for (const executor of [plainExecutor(), await tfjsExecutor({ backend: "webgpu" })]) {
      const vlm = await loadVlm(vlmGolden("llava"), { executor });
      found.push((await vlm.logits({ prompt: "Hello", images: [vlmGolden("picture.png")] })).logits);
      await vlm.release();
    }
    const [plain, ours] = found as [Float32Array, Float32Array];
    expect(largestDifference(ours, plain)).toBeLessThan(1e-4);
    expect((globalThis.navigator as { gpu?: GPU } | undefined)?.gpu).toBeUndefined();
  },
);
