import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel, loadVlm, NoGpuError, ortExecutor, webgpuExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { goldenAnswer, largestDifference } from "./test-support/golden-answer.ts";
import { fixture, modelGoldens } from "./test-support/goldens.ts";
import { writeQuantized } from "./test-support/quantized-checkpoint.ts";
import { heldOut, picture, tinyLlava } from "./test-support/tiny-llava.ts";

/** In F32, so that what differs is the order of sums alone. */
const executor = await webgpuExecutor({ f16: false }).catch((error: unknown) => {
  if (!(error instanceof NoGpuError)) throw error;
  console.warn(`The WebGPU executor is not tested here: ${error.message}.`);
  return undefined;
});

const folder = mkdtempSync(join(tmpdir(), "vlmopt-webgpu-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Quadruple = [Float32Array, Float32Array, Float32Array, Float32Array];

/** All of them where time allows: a program that stands in for a card takes long to compile kernels. */
const families = process.env.VLMOPT_TEST_SLOW === "1" ? Object.keys(modelGoldens) : ["llava-new", "gemma2"];

describe.skipIf(executor === undefined)("by WebGPU", { timeout: 300_000 }, () => {
  const gpu = executor as NonNullable<typeof executor>;

  test.each(families)("%s gives transformers' logits and greedy tokens", async (name) => {
    await using checkpoint = await openCheckpoint(fixture(name));
    const model = await loadModel(checkpoint, gpu);
    for (const golden of modelGoldens[name] ?? []) {
      const { logits, greedy } = await goldenAnswer(model, golden, golden.greedy.length);
      expect(largestDifference(logits, golden.logits.flat())).toBeLessThan(1e-4);
      expect(greedy).toEqual(golden.greedy);
    }
    await model.release();
  });

  // Kernels of one token, and of many.
  test.each(["int4-g64-zero", "nf4-dq", "int8"])(
    "multiplies with %s weights as they are stored",
    async (scheme) => {
      const path = join(folder, scheme);
      await writeQuantized(tinyLlava, scheme, path);
      await using checkpoint = await openCheckpoint(path);
      const logits: Float32Array[] = [];
      for (const each of [ortExecutor({ activations: "float32", threads: 1 }), gpu]) {
        const model = await loadModel(checkpoint, each);
        for (const ids of [[7], [5, 9, 33, 7, 12, 40]]) {
          const { axes } = model.forward.promptPositions(ids, []);
          logits.push(
            await model.decode({
              cache: model.createCache(1, 16),
              sequences: [{ ids, positions: axes, past: 0 }],
              wanted: [...ids.keys()],
            }),
          );
        }
        await model.release();
      }
      const [expectedOne, expectedMany, one, many] = logits as Quadruple;
      expect(largestDifference(one, expectedOne)).toBeLessThan(1e-4);
      expect(largestDifference(many, expectedMany)).toBeLessThan(1e-4);
    },
  );

  test("answers questions about pictures as ONNX Runtime does, tokens taken on the card", async () => {
    const [{ image, question }] = heldOut as [(typeof heldOut)[0]];
    const request = { prompt: question, images: [picture(image)] };
    const answers = [];
    for (const each of ["ort" as const, gpu]) {
      const vlm = await loadVlm(tinyLlava, { executor: each });
      const { timings: _, ...answer } = await vlm.generate(request, { maxNewTokens: 24 });
      answers.push(answer);
      await vlm.release();
    }
    expect(answers[1]).toEqual(answers[0]);
    // Its weights at least are on the card.
    expect(gpu.peakBytes?.()).toBeGreaterThan(15_000_000);
  });
});
