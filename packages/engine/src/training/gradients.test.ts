import { readFileSync } from "node:fs";
import { type Executor, modelWeights, openLesson, ortExecutor, tfjsExecutor } from "@vlmopt/engine";
import { describeModel, type HostTensor, type Lesson, modelForward, type Parameters } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { recordPass, weightsOf } from "../executors/recorded-pass.ts";
import { readJson } from "../read-json.ts";
import { fixture, vlmGolden } from "../test-support/goldens.ts";
import { walkGoldens } from "../test-support/walk-goldens.ts";
import { readFloats } from "../weights/model-weights.ts";
import { rowInputs } from "./row-inputs.ts";
import { wholePass } from "./training-pass.ts";

interface GradientGolden {
  readonly loss: number;
  /** By the name from `layers.` on: the gradient's length, and its product with a wave. */
  readonly gradients: Readonly<Record<string, readonly [number, number]>>;
}

/** What PyTorch derives in F64 (tools/reference/engine_gradients.py). */
const goldens = JSON.parse(
  readFileSync(new URL("../../goldens/gradients.json", import.meta.url), "utf8"),
) as {
  readonly temperature: number;
  readonly hiddenWeight: number;
  readonly families: Readonly<Record<string, GradientGolden & { readonly ids: readonly number[] }>>;
  readonly llava: GradientGolden;
};

const executors: readonly Executor[] = [
  ortExecutor({ activations: "float32", threads: 1 }),
  // Registers TensorFlow.js's own gradients.
  await import("@tensorflow/tfjs-layers").then(() => tfjsExecutor({ backend: "wasm" })),
];

function expectGradients(found: Parameters, golden: GradientGolden): void {
  const largest = Math.max(...Object.values(golden.gradients).map(([length]) => length));
  let checked = 0;
  for (const [name, numbers] of found) {
    const place = name.indexOf("layers.");
    const wanted = place < 0 ? undefined : golden.gradients[name.slice(place)];
    if (wanted === undefined) continue;
    const along = (wave: (i: number) => number) => numbers.reduce((sum, x, i) => sum + x * wave(i), 0);
    const [length, wave] = [along((i) => numbers[i] as number), along((i) => Math.cos(0.1 * i))];
    // A bias of keys changes no softmax: what is left of its gradient are errors of rounding.
    const scale = Math.max(wanted[0], 1e-3 * largest);
    expect(Math.abs(Math.sqrt(length) - wanted[0]) / scale, `${name}: length`).toBeLessThan(1e-3);
    expect(Math.abs(wave - wanted[1]) / scale, `${name}: along a wave`).toBeLessThan(1e-3);
    checked++;
  }
  expect(checked).toBe(Object.keys(golden.gradients).length);
}

describe.each(executors)("gradients of the $name executor", (executor) => {
  test.each(Object.entries(goldens.families))("%s: are PyTorch's", async (name, golden) => {
    await using checkpoint = await openCheckpoint(fixture(name));
    const config = (await readJson(checkpoint, "config.json")) as object;
    const weights = await modelWeights(checkpoint);
    const description = describeModel(config, weights.specs);
    const forward = modelForward(config, description);
    const { layers, vocabSize } = description.languageModel;
    const trained = new Map<string, readonly number[]>();
    for (const { index: layer } of layers)
      for (const kind of ["attention", "mlp"] as const)
        for (const weight of weightsOf(recordPass(forward.parts.block({ layer, kind }).pass)))
          trained.set(weight, weights.specs.get(weight)?.shape ?? []);
    const { ids } = golden;
    const row = {
      ids,
      positions: forward.promptPositions(ids, []).axes,
      runs: ids.map(() => 0),
      parents: [0],
      places: [...ids.keys()],
      whole: ids.map(() => 0),
      images: [],
      imageRows: [],
      wanted: [...ids.keys()],
    };
    const aim: HostTensor = {
      shape: [1, ids.length, vocabSize],
      data: Float32Array.from({ length: ids.length * vocabSize }, (_, i) => 2 * Math.sin(0.37 * i)),
    };
    const derived = await executor.derive?.(wholePass(forward, layers.length, weights), weights, {
      trained,
      loss: [{ output: "logits", aim: "aim", kind: "divergence", temperature: goldens.temperature }],
    });
    const parameters = new Map<string, Float32Array>();
    for (const weight of trained.keys()) parameters.set(weight, await readFloats(weights, weight));
    const inputs = {
      ...rowInputs(
        forward,
        [row],
        ({ wanted }) => wanted,
        () => ({}),
      ),
      aim,
    };
    const found = await derived?.run(inputs, parameters);
    expect((found?.loss ?? 0) / golden.loss).toBeCloseTo(1, 5);
    expect(((await derived?.loss(inputs, parameters)) ?? 0) / golden.loss).toBeCloseTo(1, 5);
    expectGradients(found?.gradients ?? new Map(), golden);
    await derived?.release();
  });

  test("a LLaVA learns from itself, two questions about one picture in a row, as in PyTorch", async () => {
    await using checkpoint = await openCheckpoint(vlmGolden("llava"));
    const picture = new Uint8Array(readFileSync(vlmGolden("picture.png")));
    const items = walkGoldens.questions.flatMap(([prompt, pictures, answer]) =>
      answer === null ? [] : [{ prompt, images: Array.from({ length: pictures }, () => picture), answer }],
    );
    const { temperature, hiddenWeight } = goldens;
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
    expect(loss / goldens.llava.loss).toBeCloseTo(1, 4);
    expectGradients(gradients, goldens.llava);
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
