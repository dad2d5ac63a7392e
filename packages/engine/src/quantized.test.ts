import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadModel, type Model, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { describeModel } from "@vlmopt/models";
import { planQuantization, quantizeCheckpoint, schemeNamed } from "@vlmopt/quant";
import { folderSink, openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, describe, expect, test } from "vitest";
import { goldenFeatures } from "./test-support/golden-features.ts";
import { fixture, type ModelGolden, modelGoldens } from "./test-support/goldens.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-quantized-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const golden = modelGoldens.llava?.[0] as ModelGolden;

async function configOf(checkpoint: Awaited<ReturnType<typeof openCheckpoint>>): Promise<unknown> {
  return JSON.parse(new TextDecoder().decode(await checkpoint.readSibling("config.json")));
}

async function quantize(scheme: string): Promise<string> {
  const out = mkdtempSync(join(folder, scheme));
  await using source = await openCheckpoint(fixture("llava"));
  const description = describeModel(await configOf(source), source.tensors);
  const plan = planQuantization(description, source.tensors, { scheme: schemeNamed(scheme, "fast") });
  await quantizeCheckpoint(source, plan, folderSink(out, { overwrite: true }), { workers: 0 });
  return out;
}

/** Logits of the golden's prompt, picture and all. */
async function logitsOf(path: string, executor: Parameters<typeof loadModel>[1]): Promise<Float32Array> {
  await using checkpoint = await openCheckpoint(path);
  const model: Model = await loadModel(checkpoint, executor);
  const { ids } = golden;
  const features = await goldenFeatures(model, golden);
  const logits = await model.decode({
    cache: model.createCache(1, ids.length),
    sequences: [{ ids, positions: model.forward.promptPositions(ids, []).axes, past: 0 }],
    wanted: [...ids.keys()],
    images: { features, rows: [...ids.keys()].filter((row) => ids[row] === model.forward.imageToken) },
  });
  await model.release();
  return logits;
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (b[i] as number))), 0);
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

  test("comes near with activations of 8 bits", async () => {
    const path = await quantize("int4-g16");
    const decoded = await logitsOf(path, plainExecutor());
    const rounded = await logitsOf(path, ortExecutor({ threads: 1 }));
    const largest = decoded.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largestDifference(rounded, decoded)).toBeGreaterThan(0);
    expect(largestDifference(rounded, decoded) / largest).toBeLessThan(0.05);
  });
});
