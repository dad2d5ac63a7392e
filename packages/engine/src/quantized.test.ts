import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { goldenAnswer, largestDifference } from "./test-support/golden-answer.ts";
import { fixture, type ModelGolden, modelGoldens, readGolden } from "./test-support/goldens.ts";
import { writeQuantized } from "./test-support/quantized-checkpoint.ts";

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

  test("comes near with activations of 8 bits", async () => {
    const path = await quantize("int4-g16");
    const decoded = await logitsOf(path, plainExecutor());
    const rounded = await logitsOf(path, ortExecutor({ threads: 1 }));
    const largest = decoded.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largestDifference(rounded, decoded)).toBeGreaterThan(0);
    expect(largestDifference(rounded, decoded) / largest).toBeLessThan(0.05);
  });
});
