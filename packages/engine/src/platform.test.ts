import { clipEmbedder, languageScorer, loadEncoder, loadVlm } from "@vlmopt/engine";
import { openCheckpoint, readTensor } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { calibrate } from "./calibration/calibrate.ts";
import { encoderFixture, vlmGolden } from "./test-support/goldens.ts";

const loaders = [
  ["loadVlm", loadVlm, vlmGolden("llava")],
  ["loadEncoder", loadEncoder, encoderFixture("bert")],
  ["clipEmbedder", clipEmbedder, encoderFixture("clip")],
  ["languageScorer", languageScorer, encoderFixture("gpt2")],
] as const;

describe.each(loaders)("%s", (_, load, folder) => {
  test("releases once, and leaves a checkpoint open that the caller opened", async () => {
    await using checkpoint = await openCheckpoint(folder);
    const loaded = await load(checkpoint);
    await loaded.release();
    await expect(loaded.release()).resolves.toBeUndefined();
    const [name = ""] = checkpoint.tensors.keys();
    expect((await readTensor(checkpoint, name)).byteLength).toBeGreaterThan(0);
  });

  test("closes what it opened, once", async () => {
    const loaded = await load(folder);
    await loaded.release();
    await expect(loaded.release()).resolves.toBeUndefined();
  });
});

test("calibrate leaves a checkpoint open that the caller opened", async () => {
  await using checkpoint = await openCheckpoint(vlmGolden("llava"));
  for (let time = 0; time < 2; time++) {
    expect((await calibrate(checkpoint, [{ prompt: "Hello" }])).size).toBeGreaterThan(0);
  }
});
