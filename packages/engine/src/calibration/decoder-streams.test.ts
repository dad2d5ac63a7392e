import { type Executor, loadModel, ortExecutor, plainExecutor } from "@vlmopt/engine";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { surprisal } from "../perplexity/surprisal.ts";
import { goldenFeatures } from "../test-support/golden-features.ts";
import { fixture, modelGoldens } from "../test-support/goldens.ts";
import { modelWeights } from "../weights/model-weights.ts";
import { decoderStreams } from "./decoder-streams.ts";
import { blocksOf } from "./open-streams.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];
const families = ["qwen3-vl", "qwen2-vl", "paligemma2", "blip-2", "smolvlm", "mistral", "opt"];

describe.each(executors)("by the $name executor", (executor: Executor) => {
  test.each(families)("%s in parts is as likely to say things as transformers finds", async (name) => {
    await using checkpoint = await openCheckpoint(fixture(name));
    const weights = await modelWeights(checkpoint);
    const model = await loadModel(checkpoint, executor);
    const { forward } = model;
    for (const golden of modelGoldens[name] ?? []) {
      const { ids, grids = [] } = golden;
      const predicted = [...ids.keys()].slice(1);
      const sequence = {
        ids,
        positions: forward.promptPositions(ids, grids).axes,
        prompt: ids.length,
        images: await goldenFeatures(model, golden),
        imageRows: [...ids.keys()].filter((row) => ids[row] === forward.imageToken),
        predicted,
        heldOut: false,
      };
      const streams = decoderStreams(executor, weights, forward, [sequence], undefined);
      let stream = await streams.embed();
      for (const { index } of model.description.languageModel.layers) {
        for (const block of blocksOf(index))
          stream = await streams.pass(stream, block, { place: index, consume: true });
      }
      const { nats, tokens } = await streams.likelihood(stream);
      const expected = predicted.reduce(
        (sum, row) => sum + surprisal(Float32Array.from(golden.logits[row - 1] ?? []), ids[row] as number),
        0,
      );
      expect(tokens).toBe(ids.length - 1);
      expect(nats / expected).toBeCloseTo(1, 5);
      streams.release();
    }
    await model.release();
  });
});
