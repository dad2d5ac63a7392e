import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LayerLessons, Parameters } from "@vlmopt/models";
import { type Recovery, recoverCheckpoint, recoveryFolder, type Teaching } from "@vlmopt/recover";
import { type Checkpoint, openCheckpoint, readTensor, toFloat32 } from "@vlmopt/tensor-io";
import { describe, expect, onTestFinished, test } from "vitest";
import { madeLesson } from "./test-support/made-lesson.ts";

const folder = new URL("../../../fixtures/checkpoints/llama", import.meta.url).pathname;
const norms = [0, 1, 2].map((layer) => `model.layers.${layer}.input_layernorm.weight`);

async function output(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), "vlmopt-recover-"));
  onTestFinished(() => rm(parent, { recursive: true, force: true }));
  return join(parent, "out");
}

async function numbersOf(checkpoint: Checkpoint, name: string): Promise<Float32Array> {
  const { dtype } = checkpoint.tensors.get(name) ?? { dtype: "F32" as const };
  return Float32Array.from(toFloat32(await readTensor(checkpoint, name), dtype));
}

/** Wants a norm's gain to be 3; what is held out wants another number. */
function teaching(student: Checkpoint, heldOut: number, name = norms[0] as string): Teaching {
  const lesson = async (own: string) =>
    madeLesson([3], { start: new Map([[own, await numbersOf(student, own)]]), heldOut });
  return {
    about: { source: "made" },
    fingerprint: `made ${heldOut}`,
    lesson: () => lesson(name),
    async layerLessons(): Promise<LayerLessons> {
      let layer = 0;
      const advanced: Parameters[] = [];
      return {
        layers: norms.length,
        next: () => lesson(norms[layer] as string),
        async advance(parameters) {
          advanced.push(parameters);
          layer++;
        },
        divergence: async () => ({ before: 2, after: 1 }),
        release: async () => {},
      };
    },
  };
}

async function recovered(
  to: string,
  heldOut: number,
  recovery: Recovery,
  options: { readonly signal?: AbortSignal; readonly onStep?: (step: number) => void } = {},
) {
  await using student = await openCheckpoint(folder);
  await using teacher = await openCheckpoint(folder);
  const { onStep, ...others } = options;
  return await recoverCheckpoint(
    student,
    teacher,
    to,
    { rate: 0.1, batch: 1, ...recovery },
    {
      ...others,
      baseModel: "llama",
      memory: 1e12,
      teaching: async () => teaching(student, heldOut),
      onStep: ({ step }) => onStep?.(step),
    },
  );
}

describe("a recovery", () => {
  test("writes what it learned in the input's dtypes, with a record and a card", async () => {
    const to = await output();
    const record = await recovered(to, 3, { steps: 200, way: "whole" });
    expect(record.loss.after).toBeLessThan(0.01 * record.loss.before);
    await using before = await openCheckpoint(folder);
    await using after = await openCheckpoint(to);
    expect([...after.tensors.keys()].toSorted()).toEqual([...before.tensors.keys()].toSorted());
    for (const [name, { dtype, shape }] of before.tensors) {
      expect(after.tensors.get(name)).toMatchObject({ dtype, shape });
      if (name !== norms[0]) expect(await readTensor(after, name)).toEqual(await readTensor(before, name));
    }
    for (const x of await numbersOf(after, norms[0] as string)) expect(x).toBeCloseTo(3, 1);
    expect(JSON.parse(await readFile(join(to, "recovery.json"), "utf8"))).toEqual(record);
    expect(await readFile(join(to, "README.md"), "utf8")).toMatch(/200 steps of AdamW/);
    expect(await readdir(join(to, ".."))).toEqual(["out"]);
  });

  test("leaves the weights where nothing is better on what is held out", async () => {
    const to = await output();
    const record = await recovered(to, -5, { steps: 20, way: "whole" });
    expect(record.loss.after).toBe(record.loss.before);
    await using before = await openCheckpoint(folder);
    await using after = await openCheckpoint(to);
    for (const name of before.tensors.keys())
      expect(await readTensor(after, name)).toEqual(await readTensor(before, name));
    expect(await readFile(join(to, "README.md"), "utf8")).toMatch(/its weights are those that came in/);
  });

  test.each(["whole", "layers"] as const)("by %s that was stopped goes on to the same bytes", async (way) => {
    const [to, other] = [await output(), await output()];
    const settings: Recovery = { steps: 30, way, testEvery: 7 };
    await recovered(other, 3, settings);
    const controller = new AbortController();
    let steps = 0;
    const stopped = recovered(to, 3, settings, {
      signal: controller.signal,
      onStep: () => ++steps === 41 - (way === "whole" ? 30 : 0) && controller.abort(),
    });
    await expect(stopped).rejects.toThrow("aborted");
    expect(await readdir(join(to, ".."))).toEqual(["out.recovering"]);
    let more = 0;
    await recovered(to, 3, settings, { onStep: () => void more++ });
    expect(more).toBe(way === "whole" ? 19 : 49);
    await using once = await openCheckpoint(other);
    await using twice = await openCheckpoint(to);
    for (const name of once.tensors.keys())
      expect(await readTensor(twice, name)).toEqual(await readTensor(once, name));
  });

  test("of other settings does not go on where one was stopped", async () => {
    const to = await output();
    const controller = new AbortController();
    const stopped = recovered(
      to,
      3,
      { steps: 30, way: "whole" },
      {
        signal: controller.signal,
        onStep: () => controller.abort(),
      },
    );
    await expect(stopped).rejects.toThrow("aborted");
    await expect(recovered(to, 3, { steps: 31, way: "whole" })).rejects.toThrow(
      `${recoveryFolder(to)} holds the beginning of a recovery with another recovery`,
    );
  });

  test("that does not fit says how much it takes", async () => {
    await using student = await openCheckpoint(folder);
    const small = recoverCheckpoint(
      student,
      student,
      await output(),
      {},
      {
        baseModel: "llama",
        memory: 1e6,
        teaching: async () => teaching(student, 3),
      },
    );
    await expect(small).rejects.toThrow(/layer by layer takes some \d\.\d GB, and 0\.0 GB are free/);
  });

  test.each([
    [{ steps: 0 }, "steps"],
    [{ rate: -1 }, "rate"],
    [{ way: "neurons" as never }, "way"],
  ])("refuses %j", async (recovery, name) => {
    await using student = await openCheckpoint(folder);
    const wrong = recoverCheckpoint(student, student, await output(), recovery, {
      baseModel: "llama",
      teaching: async () => teaching(student, 3),
    });
    await expect(wrong).rejects.toThrow(name);
  });
});
