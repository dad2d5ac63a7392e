import { loadModel, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { goldenFeatures } from "./test-support/golden-features.ts";
import { fixture, modelGoldens } from "./test-support/goldens.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];

function largestDifference(found: Float32Array, expected: readonly (readonly number[])[]): number {
  const flat = expected.flat();
  expect(found.length).toBe(flat.length);
  return flat.reduce((largest, value, i) => Math.max(largest, Math.abs(value - (found[i] as number))), 0);
}

describe.each(executors)("by the $name executor", (executor) => {
  test.each(Object.keys(modelGoldens))("%s gives transformers' logits and greedy tokens", async (name) => {
    await using checkpoint = await openCheckpoint(fixture(name));
    const model = await loadModel(checkpoint, executor);
    for (const golden of modelGoldens[name] ?? []) {
      const { ids, logits, greedy } = golden;
      const imageRows = [...ids.keys()].filter((row) => ids[row] === model.forward.imageToken);
      const features = await goldenFeatures(model, golden);
      const positions = model.forward.promptPositions(ids, golden.grids ?? []);
      const cache = model.createCache(1, ids.length + greedy.length);
      const found = await model.decode({
        cache,
        sequences: [{ ids, positions: positions.axes, past: 0 }],
        wanted: [...ids.keys()],
        images: { features, rows: imageRows },
      });
      expect(largestDifference(found, logits)).toBeLessThan(1e-4);

      const vocabSize = found.length / ids.length;
      let last = found.subarray(-vocabSize);
      const tokens: number[] = [];
      while (tokens.length < greedy.length) {
        const token = last.indexOf(last.reduce((a, b) => Math.max(a, b)));
        const past = ids.length + tokens.length;
        const position = Int32Array.of(positions.next + tokens.length);
        tokens.push(token);
        last = await model.decode({
          cache,
          sequences: [{ ids: [token], positions: [position, position, position], past }],
          wanted: [0],
        });
      }
      expect(tokens).toEqual(greedy);
    }
    await model.release();
  });
});
