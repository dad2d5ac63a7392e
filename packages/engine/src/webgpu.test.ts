import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  calibrate,
  generateTokens,
  loadModel,
  loadVlm,
  NoGpuError,
  ortExecutor,
  type SamplingOptions,
  webgpuExecutor,
} from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { expectGoldens, largestDifference } from "./test-support/golden-answer.ts";
import { vlmGolden } from "./test-support/goldens.ts";
import { encoderNames, worstOfHiddenStates } from "./test-support/hidden-states.ts";
import { writeQuantized } from "./test-support/quantized-checkpoint.ts";
import { scorerGoldens } from "./test-support/scorer-goldens.ts";
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

/** `webgpu.slow.test.ts` has all. */
const families = ["llava-new", "gemma2"];
const encoders = encoderNames.filter((name) => name.startsWith("deberta"));

describe.skipIf(executor === undefined)("by WebGPU", { timeout: 300_000 }, () => {
  const gpu = executor as NonNullable<typeof executor>;

  test.each(families)("%s gives transformers' logits and greedy tokens", (name) => expectGoldens(name, gpu));

  test.each(encoders)("%s gives transformers' hidden states, in a batch", async (name) => {
    expect(await worstOfHiddenStates(name, gpu, "last")).toBeLessThan(1e-4);
  });

  test("statistics of a LLaVA's linears are those of transformers over all tokens", async () => {
    const requests = [
      { prompt: "What is in the picture?", images: [vlmGolden("picture.png")] },
      { prompt: "Hello" },
    ];
    const statistics = await calibrate(vlmGolden("llava"), requests, { executor: gpu, gram: true });
    expect(new Set(statistics.values()).size).toBe(3 * 4 + 3);
    for (const [name, expected] of Object.entries(scorerGoldens.calibration)) {
      const found = statistics.get(name);
      expect(found?.tokens).toBe(expected.tokens);
      for (const figure of ["mean", "meanSquare", "maxAbs", "gram"] as const) {
        const scale = expected[figure].reduce((most, x) => Math.max(most, Math.abs(x)), 1);
        expect(largestDifference(Float32Array.from(found?.[figure] ?? []), expected[figure])).toBeLessThan(
          1e-4 * scale,
        );
      }
    }
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

  test("draws the tokens that ONNX Runtime's logits give the host, each answer of a batch in its own way", async () => {
    await using checkpoint = await openCheckpoint(tinyLlava);
    const found = [];
    for (const each of [ortExecutor({ activations: "float32", threads: 1 }), gpu]) {
      const model = await loadModel(checkpoint, each);
      const answer = async (ids: readonly number[][], sampling: readonly SamplingOptions[]) => {
        const { answers } = await generateTokens(
          model,
          ids.map((own) => ({ ids: own, images: [] })),
          {
            ...{ maxNewTokens: 12, minNewTokens: 12, endTokens: [2], signal: undefined, sampling },
            onToken: () => false,
          },
        );
        return answers.map(({ tokens }) => tokens);
      };
      const hot = { temperature: 1.2, seed: 3 };
      const nucleus = { temperature: 0.9, topP: 0.9, topK: 50, seed: 11 };
      const batch = await answer([[5, 9, 33], [7], [5, 9, 33]], [hot, {}, nucleus]);
      expect(await answer([[5, 9, 33]], [nucleus])).toEqual([batch[2]]);
      found.push(batch);
      await model.release();
    }
    expect(found[1]).toEqual(found[0]);
    const [drawn, greedy, nucleus] = found[0] as number[][];
    expect(drawn).not.toEqual(nucleus);
    expect(greedy).toHaveLength(12);
    expect(found.flat(2)).not.toContain(2);
  });
});
