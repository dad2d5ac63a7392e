import { type ImageFeatures, loadModel, type Model, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { fixture, goldenPixels, type ModelGolden, modelGoldens } from "./test-support/goldens.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];

/** Pictures of a golden, one at a time. */
async function featuresOf(model: Model, golden: ModelGolden): Promise<ImageFeatures[]> {
  if (golden.pixels === undefined) return [];
  const all = goldenPixels(golden.pixels);
  if (golden.grids !== undefined) {
    const width = golden.pixels[1] as number;
    let first = 0;
    const features = [];
    for (const grid of golden.grids) {
      const patches = grid[1] * grid[2];
      const data = all.subarray(first * width, (first + patches) * width);
      features.push(await model.see({ pixels: { shape: [patches, width], data }, grid }));
      first += patches;
    }
    return features;
  }
  if (golden.pixels.length === 5) {
    const pixels = { shape: golden.pixels.slice(1), data: all };
    return [await model.see({ pixels, ...(golden.size === undefined ? {} : { originalSize: golden.size }) })];
  }
  const [count, ...shape] = golden.pixels as [number, ...number[]];
  const size = all.length / count;
  const features = [];
  for (let n = 0; n < count; n++) {
    const pixels = { shape: [1, ...shape], data: all.subarray(n * size, (n + 1) * size) };
    features.push(await model.see({ pixels }));
  }
  return features;
}

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
      const features = await featuresOf(model, golden);
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
