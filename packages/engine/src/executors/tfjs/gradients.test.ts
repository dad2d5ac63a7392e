import * as tf from "@tensorflow/tfjs-core";
// Registers TensorFlow.js's own gradients.
import "@tensorflow/tfjs-layers";
import { modelWeights, tfjsExecutor } from "@vlmopt/engine";
import { describeModel, type HostTensor, modelForward } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { readJson } from "../../read-json.ts";
import { fixture, modelGoldens } from "../../test-support/goldens.ts";
import { readFloats } from "../../weights/model-weights.ts";
import { recordPass, weightsOf } from "../recorded-pass.ts";
import { type Tensor, tensorOf } from "./tensorflow.ts";
import { cacheStep, tfjsCache } from "./tfjs-cache.ts";
import { tfjsOps } from "./tfjs-ops.ts";
import { gatherRows, scatterRows } from "./tfjs-rows.ts";

// Starts the backend.
await tfjsExecutor({ backend: "wasm" });

/** Numbers from −1 to 1 that look random. */
function noise(shape: readonly number[], seed: number): Tensor {
  return tf.randomUniform([...shape], -1, 1, "float32", seed);
}

/** The derivative of f at x along a direction: by gradients, and by differences of two values. */
function slopes(f: (x: Tensor) => Tensor, x: Tensor, direction: Tensor, step: number) {
  const value = (at: Tensor) => f(at).dataSync()[0] as number;
  const along = tf.sum(tf.mul(tf.grad(f as (x: tf.Tensor) => tf.Tensor)(x), direction)).dataSync()[0];
  const [ahead, behind] = [tf.add(x, tf.mul(direction, step)), tf.sub(x, tf.mul(direction, step))];
  return { derived: along as number, measured: (value(ahead) - value(behind)) / (2 * step) };
}

describe("gradients that TensorFlow.js lacks", () => {
  const rows = tf.tensor1d([3, 0, 3, 1], "int32");

  test("rows that are read get the sum of what comes back, by finite differences", () => {
    const weights = noise([4, 2], 1);
    const f = (x: Tensor) => tf.sum(tf.mul(tf.square(gatherRows(tf, x, rows)), weights));
    const { derived, measured } = slopes(f, noise([5, 2], 2), noise([5, 2], 3), 1e-2);
    expect(derived).toBeCloseTo(measured, 4);
    expect(Math.abs(measured)).toBeGreaterThan(0.05);
  });

  test("rows that are written get what comes back of their places, by finite differences", () => {
    const weights = noise([5, 2], 4);
    const f = (x: Tensor) => tf.sum(tf.mul(tf.square(scatterRows(tf, x, rows, 5)), weights));
    const { derived, measured } = slopes(f, noise([4, 2], 5), noise([4, 2], 6), 1e-2);
    expect(derived).toBeCloseTo(measured, 4);
    expect(Math.abs(measured)).toBeGreaterThan(0.05);
  });
});

describe("a whole pass", () => {
  test.each(["llama", "gemma2", "qwen3", "opt"])(
    "%s: the gradient of every weight is the slope of the loss along it",
    async (name) => {
      await using checkpoint = await openCheckpoint(fixture(name));
      const config = await readJson(checkpoint, "config.json");
      const weights = await modelWeights(checkpoint);
      const forward = modelForward(config as object, describeModel(config as object, weights.specs));
      const names = [...weightsOf(recordPass(forward.decoder))];
      const shapeOf = (weight: string) => [...(weights.specs.get(weight)?.shape ?? [])];
      const stored = new Map<string, Tensor>();
      for (const weight of names)
        stored.set(weight, tf.tensor(await readFloats(weights, weight), shapeOf(weight)));

      const ids = modelGoldens[name]?.[0]?.ids.slice(0, 12) ?? [];
      const inputs: Readonly<Record<string, HostTensor>> = forward.decoderInputs({
        sequences: [{ ids, positions: forward.promptPositions(ids, []).axes, past: 0 }],
        wanted: [...ids.keys()],
        capacity: ids.length,
      });
      const likelihood = noise([ids.length, 1], 7);
      const loss = (weightNamed: (weight: string) => Tensor): Tensor => {
        const cache = tfjsCache(forward.cache, 1, ids.length);
        const step = cacheStep(tf, { cache, added: [ids.length] });
        const given = Object.fromEntries(
          Object.entries(inputs).map(([input, tensor]) => [input, tensorOf(tf, tensor)]),
        );
        const { logits } = forward.decoder.run(tfjsOps(tf, weightNamed, step), given);
        const chances = tf.softmax(tf.reshape(logits as Tensor, [ids.length, -1]));
        return tf.sum(tf.mul(tf.square(chances), likelihood));
      };
      const parts = names.map((weight) => stored.get(weight) as Tensor);
      const gradients = tf.grads((...given: tf.Tensor[]) =>
        loss((weight) => given[names.indexOf(weight)] as Tensor),
      )(parts);
      let checked = 0;
      for (const [n, weight] of names.entries()) {
        const part = parts[n] as Tensor;
        // Along the gradient itself the slope is its length.
        const length = tf.norm(gradients[n] as Tensor).dataSync()[0] as number;
        // A bias of keys changes no softmax.
        if (length < 1e-6) continue;
        checked++;
        const direction = tf.div(gradients[n] as Tensor, length);
        const step = 0.02;
        const at = (way: number) => {
          const moved = tf.add(part, tf.mul(direction, way * step));
          return loss((other) =>
            other === weight ? moved : (stored.get(other) as Tensor),
          ).dataSync()[0] as number;
        };
        const measured = (at(1) - at(-1)) / (2 * step);
        expect(Math.abs(measured - length) / length, `${weight}: ${measured}, ${length}`).toBeLessThan(0.05);
      }
      expect(checked).toBeGreaterThan(0.9 * names.length);
    },
  );
});
