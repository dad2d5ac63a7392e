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
});
