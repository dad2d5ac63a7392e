import { readFileSync } from "node:fs";
import {
  type ChannelStatistics,
  calibrate,
  type Executor,
  modelWeights,
  ortExecutor,
  plainExecutor,
} from "@vlmopt/engine";
import { describeModel, type ForwardPass, modelForward } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { encoderFixture, fixture, vlmGolden } from "../test-support/goldens.ts";
import { scorerGoldens } from "../test-support/scorer-goldens.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];
const requests = [
  { prompt: "What is in the picture?", images: [vlmGolden("picture.png")] },
  { prompt: "Hello" },
];

function expectClose(found: ArrayLike<number> | undefined, expected: readonly number[], tolerance = 1e-4) {
  expect(found?.length).toBe(expected.length);
  const scale = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
  const worst = expected.reduce((most, x, i) => Math.max(most, Math.abs(x - (found?.[i] as number))), 0);
  expect(worst / scale).toBeLessThan(tolerance);
}

describe.each(executors)("by the $name executor", (executor: Executor) => {
  test("statistics of a LLaVA's linears are those of transformers' over all tokens, pictures too", async () => {
    let done = 0;
    const statistics = await calibrate(vlmGolden("llava"), requests, {
      executor,
      gram: true,
      onRequest: (count) => {
        done = count;
      },
    });
    expect(done).toBe(2);
    // Of two layers of the decoder and the one of the vision tower whose output is used: into and out of attention, into and inside the MLP.
    expect(statistics.size).toBe(3 * 4);
    for (const [name, expected] of Object.entries(scorerGoldens.calibration)) {
      const found = statistics.get(name);
      expect(found?.tokens).toBe(expected.tokens);
      expectClose(found?.mean, expected.mean);
      expectClose(found?.meanSquare, expected.meanSquare);
      expectClose(found?.maxAbs, expected.maxAbs);
      expectClose(found?.gram, expected.gram);
    }
  });

  test("they add up over runs, as counted by hand", async () => {
    await using checkpoint = await openCheckpoint(encoderFixture("bert"));
    const pass: ForwardPass = {
      inputs: { ids: { dtype: "I32", shape: [undefined, undefined] } },
      run(ops, { ids }) {
        const seen = ops.embed(ids as NonNullable<typeof ids>, "embeddings.word_embeddings.weight");
        ops.probe("words", seen);
        return { seen };
      },
    };
    const weights = await modelWeights(checkpoint);
    const prepared = await executor.prepare(pass, weights, { probes: { gram: true } });
    const rows: number[][] = [];
    for (const ids of [[5, 9, 5, 77, 3], [1]]) {
      const { seen } = await prepared.run({
        ids: { shape: [1, ids.length], data: Int32Array.from(ids) },
      });
      const data = (await seen?.read()) ?? new Float32Array();
      for (let at = 0; at < data.length; at += 32) rows.push([...data.subarray(at, at + 32)]);
    }
    const found = prepared.statistics?.().get("words") as ChannelStatistics;
    const channels = [...Array(32).keys()];
    const mean = (of: (row: number[]) => number) => rows.reduce((sum, row) => sum + of(row), 0) / 6;
    expect(found.tokens).toBe(6);
    expectClose(
      found.mean,
      channels.map((i) => mean((row) => row[i] as number)),
      1e-12,
    );
    expectClose(
      found.meanSquare,
      channels.map((i) => mean((row) => (row[i] as number) ** 2)),
      1e-12,
    );
    expect([...found.maxAbs]).toEqual(
      channels.map((i) => Math.max(...rows.map((row) => Math.abs(row[i] as number)))),
    );
    const products = channels.flatMap((i) =>
      channels.map((j) => 6 * mean((row) => (row[i] as number) * (row[j] as number))),
    );
    expectClose(found.gram, products, 1e-12);
    await prepared.release();
  });

  test("padding does not count, nor does a pass keep account unasked", async () => {
    await using checkpoint = await openCheckpoint(fixture("llama"));
    const config: unknown = JSON.parse(readFileSync(`${fixture("llama")}/config.json`, "utf8"));
    const weights = await modelWeights(checkpoint);
    const forward = modelForward(config, describeModel(config, weights.specs));
    const prompts = [
      [5, 6, 7, 8, 9, 10],
      [11, 12],
    ];
    async function statisticsOf(batches: number[][][]) {
      const pass = await executor.prepare(forward.decoder, weights, { probes: {} });
      for (const batch of batches) {
        const sequences = batch.map((ids) => ({
          ids,
          positions: forward.promptPositions(ids, []).axes,
          past: 0,
        }));
        const cache = executor.createCache(forward.cache, batch.length, 6);
        const inputs = forward.decoderInputs({ sequences, capacity: 6, wanted: [0] });
        await pass.run(inputs, { cache, added: batch.map(({ length }) => length) });
      }
      await pass.release();
      return pass.statistics?.();
    }
    const together = await statisticsOf([prompts]);
    const alone = await statisticsOf(prompts.map((prompt) => [prompt]));
    expect([...(together?.keys() ?? [])]).toEqual([...(alone?.keys() ?? [])]);
    for (const [name, { tokens, mean, maxAbs, gram }] of together ?? []) {
      expect(tokens).toBe(8);
      expectClose(mean, [...(alone?.get(name)?.mean ?? [])]);
      expectClose(maxAbs, [...(alone?.get(name)?.maxAbs ?? [])]);
      expect(gram).toBeUndefined();
    }
    const unasked = await executor.prepare(forward.decoder, weights);
    expect(unasked.statistics).toBeUndefined();
    await unasked.release();
  });
});

test("an executor without probes is refused", async () => {
  const plain = plainExecutor();
  const blind: Executor = {
    ...plain,
    name: "blind",
    prepare: (pass, weights) => plain.prepare(pass, weights),
  };
  await expect(calibrate(vlmGolden("llava"), requests, { executor: blind })).rejects.toThrow(
    "the blind executor has no probes",
  );
});
