import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Executor, modelWeights, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { textEncoder } from "@vlmopt/models";
import { quantizeCheckpoint, type Scheme, schemeNamed } from "@vlmopt/quant";
import { fileSink, openCheckpoint } from "@vlmopt/tensor-io";
import { afterAll, expect, test } from "vitest";
import { encoderFixture, readGolden } from "./test-support/goldens.ts";

const folder = mkdtempSync(join(tmpdir(), "vlmopt-tables-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const { texts } = readGolden<{ texts: number[][] }>("encoders");
const table = "embeddings.word_embeddings.weight";

/** The BERT of the fixtures with its tokens' embeddings in fewer bits. */
async function quantize(scheme: Scheme): Promise<string> {
  const out = join(folder, `${JSON.stringify(scheme).replace(/\W+/g, "-")}.safetensors`);
  await using source = await openCheckpoint(join(encoderFixture("bert"), "model.safetensors"));
  const size = { bytes: 0, bitsPerWeight: 0 };
  const plan = {
    version: 1,
    made: {},
    kept: [],
    notes: [],
    joined: [],
    config: [],
    before: size,
    after: size,
  } as const;
  await quantizeCheckpoint(source, { ...plan, groups: [{ scheme, tensors: [table] }] }, fileSink(out), {
    workers: 0,
  });
  return out;
}

async function embeddingsOf(path: string, executor: Executor): Promise<Float32Array> {
  await using checkpoint = await openCheckpoint(path);
  const weights = await modelWeights(checkpoint);
  const config: unknown = JSON.parse(readFileSync(join(encoderFixture("bert"), "config.json"), "utf8"));
  const encoder = textEncoder(config, weights.specs);
  const pass = await executor.prepare(encoder.pass(0), weights);
  const { hidden } = await pass.run(encoder.inputsOf(texts));
  const states = (await hidden?.read()) ?? new Float32Array();
  await pass.release();
  return states;
}

test.each<[string, Scheme]>([
  ["int8", schemeNamed("int8")],
  ["int8 in groups of 16", { format: "int-quantized", groupSize: 16, scales: "absmax" }],
  ["int4 with zero points", schemeNamed("int4-g16-zero")],
  ["NF4", schemeNamed("nf4")],
])("ONNX Runtime looks up a table in %s as if it were decoded", async (_, scheme) => {
  const path = await quantize(scheme);
  const decoded = await embeddingsOf(path, plainExecutor());
  const found = await embeddingsOf(path, ortExecutor({ threads: 1 }));
  expect(found).toHaveLength(decoded.length);
  for (const [i, value] of decoded.entries()) expect(found[i]).toBeCloseTo(value, 4);
  const dense = await embeddingsOf(join(encoderFixture("bert"), "model.safetensors"), plainExecutor());
  // It is another table indeed.
  expect(decoded.some((value, i) => Math.abs(value - (dense[i] as number)) > 1e-3)).toBe(true);
});
