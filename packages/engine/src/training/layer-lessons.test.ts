import { openLayerLessons, ortExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect, test } from "vitest";
import { fixture } from "../test-support/goldens.ts";
import { walkGoldens } from "../test-support/walk-goldens.ts";
import { modelWeights, readFloats } from "../weights/model-weights.ts";
import { replacedWeights } from "../weights/replaced-weights.ts";

test("layers learn one after the other what the dense ones give, until nothing is left of what was done to them", async () => {
  await using teacher = await openCheckpoint(fixture("llama"));
  const weights = await modelWeights(teacher);
  const name = "model.layers.1.mlp.down_proj.weight";
  const shape = weights.specs.get(name)?.shape ?? [];
  const nothing = new Float32Array(shape.reduce((a, b) => a * b, 1));
  const student = replacedWeights(weights, new Map([[name, { shape, data: nothing }]])).checkpoint;
  const executor = ortExecutor({ activations: "float32", threads: 1 });
  const data = walkGoldens.texts.map((ids) => ({ ids }));
  const lessons = await openLayerLessons(student, teacher, data, { executor });
  expect(lessons.layers).toBe(3);
  for (let layer = 0; layer < lessons.layers; layer++) {
    const lesson = await lessons.next();
    const initial = await lesson.initial();
    const before = await lesson.heldOutLoss(initial);
    if (layer === 1) expect(before).toBeGreaterThan(0.01);
    else expect(before).toBeLessThan(1e-9);
    const healed = new Map(initial);
    if (layer === 1) {
      healed.set(name, await readFloats(weights, name));
      expect(await lesson.heldOutLoss(healed)).toBeLessThan(1e-9);
      const { gradients } = await lesson.gradient(initial, [...lesson.tokens.keys()]);
      expect(gradients.get(name)?.some((x) => x !== 0)).toBe(true);
    }
    await lesson.release();
    await lessons.advance(healed);
  }
  const { before, after } = await lessons.divergence();
  expect(before).toBeGreaterThan(1e-5);
  expect(after).toBeLessThan(1e-9);
  await lessons.release();
});
