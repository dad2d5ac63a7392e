import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect, onTestFinished, test } from "vitest";
import { openCalibrationSet } from "../calibration/calibration-set.ts";
import { makeCheckpoint } from "./made-checkpoint.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures");

test("a variant is pruned, recovered and quantized, and each step is made once for all precisions", async () => {
  const cache = await mkdtemp(join(tmpdir(), "vlmopt-made-"));
  onTestFinished(() => rm(cache, { recursive: true, force: true }));
  const scenes = { folder: join(fixtures, "scenes"), split: "calibration", samples: 16 } as const;
  const prune = { glu: 0.5 };
  const calibrate = await openCalibrationSet(scenes);
  const data = await openCalibrationSet(scenes, "pictures");
  const recover = { recovery: { steps: 4, batch: 2, testEvery: 2 }, data };
  const steps: string[] = [];
  const make = (
    quantize: { scheme: string; preset: "fast" } | undefined,
    recovered: typeof recover | undefined,
  ) =>
    makeCheckpoint(
      join(fixtures, "tiny-llava"),
      { prune, calibrate, quantize, ...(recovered === undefined ? {} : { recover: recovered }) },
      { cache, onStep: (step, done) => steps.push(`${step} ${done}`) },
    );
  const int4 = await make({ scheme: "int4-g64", preset: "fast" }, recover);
  expect(steps.filter((step) => step.startsWith("recovering"))).toEqual(
    [1, 2, 3, 4].map((n) => `recovering ${n}`),
  );
  expect(int4.precision).toBe("int4-g64");
  steps.length = 0;
  const plain = await make(undefined, recover);
  const pruned = await make(undefined, undefined);
  expect(steps).toEqual([]);
  expect(new Set([int4.hash, plain.hash, pruned.hash]).size).toBe(3);
  const record = JSON.parse(await readFile(join(plain.folder, "recovery.json"), "utf8"));
  expect(record.loss.after).toBeLessThanOrEqual(record.loss.before);
  await using recovered = await openCheckpoint(plain.folder);
  await using before = await openCheckpoint(pruned.folder);
  for (const [name, { shape }] of before.tensors) expect(recovered.tensors.get(name)?.shape).toEqual(shape);
  expect((await readdir(cache)).filter((name) => name.startsWith("tiny-llava-"))).toHaveLength(3);
  for (const made of [int4, plain, pruned]) await made.release();
}, 300_000);
