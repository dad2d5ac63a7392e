import { readFileSync } from "node:fs";
import { type Executor, openLesson, ortExecutor, tfjsExecutor } from "@vlmopt/engine";
import type { Lesson } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { fixture, vlmGolden } from "../test-support/goldens.ts";
import { expectFamilyGradients, expectGradients, gradientGoldens } from "../test-support/gradient-goldens.ts";
import { walkGoldens } from "../test-support/walk-goldens.ts";

const executors: readonly Executor[] = [
  ortExecutor({ activations: "float32", threads: 1 }),
  // Registers TensorFlow.js's own gradients.
  await import("@tensorflow/tfjs-layers").then(() => tfjsExecutor({ backend: "wasm" })),
];

describe.each(executors)("gradients of the $name executor", (executor) => {
  test.each(Object.keys(gradientGoldens.families))("%s: are PyTorch's", (name) =>
    expectFamilyGradients(name, executor),
  );

  test("a LLaVA learns from itself, two questions about one picture in a row, as in PyTorch", async () => {
    await using checkpoint = await openCheckpoint(vlmGolden("llava"));
    const picture = new Uint8Array(readFileSync(vlmGolden("picture.png")));
    const items = walkGoldens.questions.flatMap(([prompt, pictures, answer]) =>
      answer === null ? [] : [{ prompt, images: Array.from({ length: pictures }, () => picture), answer }],
    );
    const { temperature, hiddenWeight } = gradientGoldens;
    const lesson: Lesson = await openLesson(checkpoint, checkpoint, items, {
      executor,
      temperature,
      hiddenWeight,
    });
    const weakened = new Map(
      [...(await lesson.initial())].map(([name, numbers]) => [
        name,
        name.endsWith("o_proj.weight") ? numbers.map((x) => x / 2) : numbers,
      ]),
    );
    const rows = [...lesson.tokens.keys()];
    const { loss, gradients } = await lesson.gradient(weakened, rows);
    expect(loss / gradientGoldens.llava.loss).toBeCloseTo(1, 4);
    expectGradients(gradients, gradientGoldens.llava);
    expect((await lesson.gradient(await lesson.initial(), rows)).loss).toBeLessThan(1e-4 * loss);
    await lesson.release();
  });

  test("the gradient of a LLaVA's projector is the slope of the loss, through pictures and language model", async () => {
    await using checkpoint = await openCheckpoint(vlmGolden("llava"));
    const picture = new Uint8Array(readFileSync(vlmGolden("picture.png")));
    const items = [{ prompt: "Is it red?", images: [picture, picture], answer: "a red square" }];
    const lesson = await openLesson(checkpoint, checkpoint, items, { executor, projector: true });
    const initial = await lesson.initial();
    expect([...initial.keys()].map((name) => name.split(".").slice(-2).join("."))).toEqual([
      "linear_1.weight",
      "linear_1.bias",
      "linear_2.weight",
      "linear_2.bias",
    ]);
    // What the student sees is what its teacher sees.
    expect((await lesson.gradient(initial, [0])).loss).toBeLessThan(1e-5);
    const start = new Map([...initial].map(([name, x]) => [name, x.map((w, i) => w + 0.05 * Math.sin(i))]));
    const { gradients } = await lesson.gradient(start, [0]);
    for (const [name, gradient] of gradients) {
      const length = Math.hypot(...gradient);
      const at = async (step: number) => {
        const own = start.get(name) ?? new Float32Array();
        const moved = own.map((w, i) => w + (step * (gradient[i] as number)) / length);
        return (await lesson.gradient(new Map([...start, [name, moved]]), [0])).loss;
      };
      const slope = ((await at(0.01)) - (await at(-0.01))) / 0.02;
      expect(Math.abs(slope / length - 1), name).toBeLessThan(0.03);
    }
    await lesson.release();
  });

  test("matrices of low rank beside linears do what merged ones do, and their gradients are slopes", async () => {
    await using checkpoint = await openCheckpoint(fixture("llama"));
    const data = walkGoldens.texts.map((ids) => ({ ids }));
    const [rank, scale] = [2, 0.7];
    const beside = await openLesson(checkpoint, checkpoint, data, { executor, lowRank: { rank, scale } });
    const whole = await openLesson(checkpoint, checkpoint, data, { executor });
    const rows = [...whole.tokens.keys()];
    const parameters = new Map<string, Float32Array>();
    for (const [name, shape] of beside.trained) {
      const count = shape.reduce((a, b) => a * b, 1);
      parameters.set(
        name,
        Float32Array.from({ length: count }, (_, i) => 0.1 * Math.sin(i + name.length)),
      );
    }
    const merged = new Map(await whole.initial());
    for (const [name, numbers] of merged) {
      const [a, b] = ["A", "B"].map((side) => parameters.get(`${name}.lora_${side}`));
      if (a === undefined || b === undefined) continue;
      const columns = a.length / rank;
      const added = (i: number) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        let sum = 0;
        for (let k = 0; k < rank; k++)
          sum += (b[row * rank + k] as number) * (a[k * columns + column] as number);
        return sum;
      };
      merged.set(
        name,
        numbers.map((w, i) => w + scale * added(i)),
      );
    }
    const { loss, gradients } = await beside.gradient(parameters, rows);
    const wanted = (await whole.gradient(merged, rows)).loss;
    expect(loss).toBeGreaterThan(0.1);
    expect(loss / wanted).toBeCloseTo(1, 4);
    expect([...gradients.keys()].toSorted()).toEqual([...beside.trained.keys()].toSorted());
    // Along the whole gradient, the loss rises by its length.
    const length = Math.sqrt(
      [...gradients.values()].flatMap((g) => [...g]).reduce((sum, x) => sum + x * x, 0),
    );
    const moved = (step: number) =>
      new Map(
        [...parameters].map(([name, x]) => [
          name,
          x.map((w, i) => w + (step * (gradients.get(name)?.[i] as number)) / length),
        ]),
      );
    const at = async (step: number) => (await beside.gradient(moved(step), rows)).loss;
    const slope = ((await at(0.01)) - (await at(-0.01))) / 0.02;
    expect(Math.abs(slope / length - 1)).toBeLessThan(0.02);
    await beside.release();
    await whole.release();
  });
});
