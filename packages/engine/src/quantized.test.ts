import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { goldenAnswer, largestDifference } from "./test-support/golden-answer.ts";
import { fixture, type ModelGolden, modelGoldens, readGolden } from "./test-support/goldens.ts";
import { writeQuantized } from "./test-support/quantized-checkpoint.ts";
import { tinyLlava } from "./test-support/tiny-llava.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-quantized-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const golden = modelGoldens.llava?.[0] as ModelGolden;

/** By scheme: what transformers computes with the weights decoded (tools/reference/engine_quantized.py). */
const quantizedGoldens = readGolden<Record<string, ModelGolden>>("quantized");

async function quantize(scheme: string): Promise<string> {
  const out = mkdtempSync(join(folder, scheme));
  await writeQuantized(fixture("llava"), scheme, out);
  return out;
}

async function answerOf(
  path: string,
  executor: Parameters<typeof loadModel>[1],
  golden: ModelGolden,
  newTokens = 0,
) {
  await using checkpoint = await openCheckpoint(path);
  const model = await loadModel(checkpoint, executor);
  const answer = await goldenAnswer(model, golden, newTokens);
  await model.release();
  return answer;
}

async function logitsOf(path: string, executor: Parameters<typeof loadModel>[1]): Promise<Float32Array> {
  return (await answerOf(path, executor, golden)).logits;
}

const exact = ortExecutor({ activations: "float32", threads: 1 });

describe("ONNX Runtime on quantized weights", () => {
  // The plain executor decodes them with @vlmopt/quant and is held against transformers in model.test.ts.
  test.each([
    "int4-g16",
    "int4-g16-zero",
    "int4-row",
    "int4-row-zero",
    "int8",
    "int2-g16",
    "int2-g16-zero",
    "int3-g16-zero",
    "int3-g16",
    "int8-g16-zero",
    "gptq-g16-zero",
    "fp8",
    "nf4",
    "nf4-dq",
    "fp4",
    "gptq-g16",
    "awq-g16",
    "nvfp4",
  ])("computes with %s as with the weights decoded", async (scheme) => {
    const path = await quantize(scheme);
    const decoded = await logitsOf(path, plainExecutor());
    expect(largestDifference(await logitsOf(path, exact), decoded)).toBeLessThan(1e-4);
    const dense = Float32Array.from(golden.logits.flat());
    // They are other weights indeed.
    expect(largestDifference(decoded, dense)).toBeGreaterThan(1e-3);
  });

  test.each(Object.entries(quantizedGoldens))(
    "with %s gives the logits and greedy tokens of transformers with the weights decoded",
    async (scheme, expected) => {
      const { logits, greedy } = await answerOf(await quantize(scheme), exact, expected, 32);
      expect(largestDifference(logits, expected.logits.flat())).toBeLessThan(1e-4);
      expect(greedy).toEqual(expected.greedy);
      expect(greedy).toHaveLength(32);
    },
  );

  test("computes exactly with int8 unless told, which rounded activations would cost more than it does", async () => {
    const path = await quantize("int8");
    const decoded = await logitsOf(path, plainExecutor());
    expect(largestDifference(await logitsOf(path, ortExecutor({ threads: 1 })), decoded)).toBeLessThan(1e-4);
    const rounded = await logitsOf(path, ortExecutor({ activations: "int8", threads: 1 }));
    expect(largestDifference(rounded, decoded)).toBeGreaterThan(1e-3);
  });

  test.each(["int4-g16", "int3-g16"])("comes near in %s with activations of 8 bits", async (scheme) => {
    const path = await quantize(scheme);
    const decoded = await logitsOf(path, plainExecutor());
    const rounded = await logitsOf(path, ortExecutor({ threads: 1 }));
    const largest = decoded.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largestDifference(rounded, decoded)).toBeGreaterThan(0);
    expect(largestDifference(rounded, decoded) / largest).toBeLessThan(0.05);
  });

  // In blocks that it has a fast kernel for, which the small model of the goldens has not.
  test("multiplies 2 bits as they are stored with rounded activations, near to what they decode to", async () => {
    const path = mkdtempSync(join(folder, "int2"));
    await writeQuantized(tinyLlava, "int2-g64", path);
    await using checkpoint = await openCheckpoint(path);
    const [exactly, rounded] = await Promise.all(
      [exact, ortExecutor({ threads: 1 })].map(async (executor) => {
        const model = await loadModel(checkpoint, executor);
        const ids = [5, 9, 33, 7, 12, 40];
        const { axes } = model.forward.promptPositions(ids, []);
        const sequences = [{ ids, positions: axes, past: 0 }];
        const wanted = [...ids.keys()];
        const logits = await model.decode({ cache: model.createCache(1, 16), sequences, wanted });
        await model.release();
        return logits;
      }),
    );
    const [decoded, found] = [exactly as Float32Array, rounded as Float32Array];
    const largest = decoded.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largestDifference(found, decoded)).toBeGreaterThan(0);
    expect(largestDifference(found, decoded) / largest).toBeLessThan(0.05);
  });
});
