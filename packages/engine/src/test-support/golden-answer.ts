import { type Executor, loadModel } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { expect } from "vitest";
import type { Model } from "../model.ts";
import { goldenFeatures } from "./golden-features.ts";
import { fixture, type ModelGolden, modelGoldens } from "./goldens.ts";

/** A tiny model in fixtures/checkpoints gives transformers' logits and greedy tokens. */
export async function expectGoldens(name: string, executor: Executor): Promise<void> {
  await using checkpoint = await openCheckpoint(fixture(name));
  const model = await loadModel(checkpoint, executor);
  for (const golden of modelGoldens[name] ?? []) {
    const { logits, greedy } = await goldenAnswer(model, golden);
    expect(largestDifference(logits, golden.logits.flat())).toBeLessThan(1e-4);
    expect(greedy).toEqual(golden.greedy);
  }
  await model.release();
}

/** Logits of every token of a golden's prompt, and the greedy tokens after it, one step at a time. */
export async function goldenAnswer(
  model: Model,
  golden: ModelGolden,
  newTokens = golden.greedy.length,
): Promise<{ readonly logits: Float32Array; readonly greedy: readonly number[] }> {
  const { ids } = golden;
  const features = await goldenFeatures(model, golden);
  const positions = model.forward.promptPositions(ids, golden.grids ?? []);
  const cache = model.createCache(1, ids.length + newTokens);
  const logits = await model.decode({
    cache,
    sequences: [{ ids, positions: positions.axes, past: 0 }],
    wanted: [...ids.keys()],
    images: { features, rows: [...ids.keys()].filter((row) => ids[row] === model.forward.imageToken) },
  });
  let last = logits.subarray(-logits.length / ids.length);
  const greedy: number[] = [];
  while (greedy.length < newTokens) {
    const token = last.indexOf(last.reduce((a, b) => Math.max(a, b)));
    const past = ids.length + greedy.length;
    const position = Int32Array.of(positions.next + greedy.length);
    greedy.push(token);
    last = await model.decode({
      cache,
      sequences: [{ ids: [token], positions: [position, position, position], past }],
      wanted: [0],
    });
  }
  return { logits, greedy };
}

export function largestDifference(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (found.length !== expected.length)
    throw new RangeError(`${found.length} numbers were found, ${expected.length} expected`);
  return Array.from(expected).reduce(
    (largest, value, i) => Math.max(largest, Math.abs(value - (found[i] as number))),
    0,
  );
}
