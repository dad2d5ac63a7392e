import { readFileSync } from "node:fs";
import { type Executor, modelWeights } from "@vlmopt/engine";
import { describeModel, type HostTensor, modelForward, type Parameters } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect } from "vitest";
import { recordPass, weightsOf } from "../executors/recorded-pass.ts";
import { readJson } from "../read-json.ts";
import { rowInputs } from "../training/row-inputs.ts";
import { wholePass } from "../training/training-pass.ts";
import { readFloats } from "../weights/model-weights.ts";
import { fixture } from "./goldens.ts";

interface GradientGolden {
  readonly loss: number;
  /** By the name from `layers.` on: the gradient's length, and its product with a wave. */
  readonly gradients: Readonly<Record<string, readonly [number, number]>>;
}

/** What PyTorch derives in F64 (tools/reference/engine_gradients.py). */
export const gradientGoldens = JSON.parse(
  readFileSync(new URL("../../goldens/gradients.json", import.meta.url), "utf8"),
) as {
  readonly temperature: number;
  readonly hiddenWeight: number;
  readonly families: Readonly<Record<string, GradientGolden & { readonly ids: readonly number[] }>>;
  readonly llava: GradientGolden;
};

export function expectGradients(found: Parameters, golden: GradientGolden): void {
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

/** The gradient of every weight of a small model's layers is PyTorch's. */
export async function expectFamilyGradients(name: string, executor: Executor): Promise<void> {
  const golden = gradientGoldens.families[name] as (typeof gradientGoldens.families)[string];
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
    loss: [{ output: "logits", aim: "aim", kind: "divergence", temperature: gradientGoldens.temperature }],
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
}
