import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describeModel } from "@vlmopt/models";
import { planQuantization, quantizeCheckpoint, schemeNamed, weightCounts } from "@vlmopt/quant";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect, test } from "vitest";

const model = fileURLToPath(new URL("../../../../fixtures/tiny-llava", import.meta.url));
/** Of the dense model by transformers: sum(p.numel() for p in model.parameters()) of its state dict. */
const WEIGHTS = 7_735_296;

const total = (counts: ReadonlyMap<string, number>) =>
  [...counts.values()].reduce((sum, count) => sum + count, 0);

test.each([
  "int4-g64",
  "int4-g64-zero",
  "int8",
  "nf4",
  "nf4-dq",
  "fp4",
  "gptq-g64",
  "awq-g64",
  "nvfp4",
  "mxfp4",
])("a model in %s has as many weights as before, and fewer bits for each", async (scheme) => {
  await using source = await openCheckpoint(model);
  expect(total(await weightCounts(source))).toBe(WEIGHTS);
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-counts-"));
  try {
    const config = JSON.parse(await readFile(join(model, "config.json"), "utf8")) as unknown;
    const plan = planQuantization(describeModel(config, source.tensors), source.tensors, {
      scheme: schemeNamed(scheme, "fast"),
    });
    await quantizeCheckpoint(source, plan, join(folder, "out"));
    await using made = await openCheckpoint(join(folder, "out"));
    expect(total(await weightCounts(made))).toBe(WEIGHTS);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
