import { readFileSync } from "node:fs";
import {
  calibrate,
  type Executor,
  modelWeights,
  ortExecutor,
  type PassStatistics,
  plainExecutor,
} from "@vlmopt/engine";
import { describeModel, type ForwardPass, type InputStatistics, modelForward } from "@vlmopt/models";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { encoderFixture, fixture, vlmGolden } from "../test-support/goldens.ts";
import { scorerGoldens } from "../test-support/scorer-goldens.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];
const requests = [
  { prompt: "What is in the picture?", images: [vlmGolden("picture.png")] },
  { prompt: "Hello" },
];

const gated = ["mlp.down_proj", "mlp.gate_proj", "mlp.up_proj", "self_attn.k_proj", "self_attn.o_proj"];
const plain = [
  "mlp.fc1",
  "mlp.fc2",
  "self_attn.k_proj",
  "self_attn.out_proj",
  "self_attn.q_proj",
  "self_attn.v_proj",
];
/** Of both layers of the decoder, its output layer, the projector, and the one layer of the vision tower whose output is used. */
const llavaLinears = [
  "language_model.lm_head",
  ...[0, 1].flatMap((layer) =>
    [...gated, "self_attn.q_proj", "self_attn.v_proj"].map(
      (name) => `language_model.model.layers.${layer}.${name}`,
    ),
  ),
  "multi_modal_projector.linear_1",
  "multi_modal_projector.linear_2",
  ...plain.map((name) => `vision_tower.encoder.layers.0.${name}`),
].map((name) => `${name}.weight`);

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
    expect([...statistics.keys()].sort()).toEqual(llavaLinears);
    expect(new Set(statistics.values()).size).toBe(3 * 4 + 3);
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
    const [table, first, second, other] = [
      "embeddings.word_embeddings.weight",
      ...["attention.self.query", "attention.self.key", "intermediate.dense"].map(
        (name) => `encoder.layer.0.${name}.weight`,
      ),
    ] as [string, string, string, string];
    const pass: ForwardPass = {
      inputs: { ids: { dtype: "I32", shape: [undefined, undefined] } },
      run(ops, { ids }) {
        const seen = ops.embed(ids as NonNullable<typeof ids>, table);
        const queries = ops.linear(seen, first);
        ops.linear(seen, second);
        ops.linear(ops.scale(seen, 2), other);
        ops.target(first, queries);
        return { seen, queries };
      },
    };
    const weights = await modelWeights(checkpoint);
    const prepared = await executor.prepare(pass, weights, { probes: { gram: [first] } });
    const rows: number[][] = [];
    const wanted: number[][] = [];
    const magnitudes = Array<number>(32).fill(0);
    for (const ids of [[5, 9, 5, 77, 3], [1]]) {
      const results = await prepared.run({ ids: { shape: [1, ids.length], data: Int32Array.from(ids) } });
      for (const [name, list] of [
        ["seen", rows],
        ["queries", wanted],
      ] as const) {
        const data = (await results[name]?.read()) ?? new Float32Array();
        for (let at = 0; at < data.length; at += 32) list.push([...data.subarray(at, at + 32)]);
      }
      const own = rows.slice(-ids.length);
      for (let i = 0; i < 32; i++)
        magnitudes[i] =
          (magnitudes[i] as number) +
          (own.reduce((sum, row) => sum + Math.abs(row[i] as number), 0) / own.length) ** 2;
    }
    const empty: PassStatistics = { inputs: new Map(), targets: new Map() };
    const { inputs, targets } = (await prepared.statistics?.()) ?? empty;
    expect([...inputs.keys()]).toEqual([first, second, other]);
    const found = inputs.get(first) as InputStatistics;
    expect(inputs.get(second)).toBe(found);
    expect(inputs.get(other)?.gram).toBeUndefined();
    const channels = [...Array(32).keys()];
    const mean = (of: (row: number[], n: number) => number) =>
      rows.reduce((sum, row, n) => sum + of(row, n), 0) / 6;
    expect(found.tokens).toBe(6);
    expectClose(
      found.mean,
      channels.map((i) => mean((row) => row[i] as number)),
      1e-6,
    );
    expectClose(
      found.meanSquare,
      channels.map((i) => mean((row) => (row[i] as number) ** 2)),
      1e-6,
    );
    expectClose(
      found.meanAbs,
      channels.map((i) => mean((row) => Math.abs(row[i] as number))),
      1e-6,
    );
    expect([...found.maxAbs]).toEqual(
      channels.map((i) => Math.max(...rows.map((row) => Math.abs(row[i] as number)))),
    );
    expectClose(found.sequenceMagnitude, magnitudes.map(Math.sqrt), 1e-6);
    expectClose(
      inputs.get(other)?.mean,
      channels.map((i) => 2 * (found.mean[i] as number)),
      1e-6,
    );
    const products = (of: number[][]) =>
      channels.flatMap((i) =>
        channels.map((j) => 6 * mean((row, n) => (of[n]?.[i] as number) * (row[j] as number))),
      );
    expectClose(found.gram, products(rows), 1e-6);
    expectClose(targets.get(first)?.cross, products(wanted), 1e-6);
    expect(targets.get(first)?.squares).toBeCloseTo(
      wanted.flat().reduce((sum, value) => sum + value ** 2, 0),
      4,
    );
    await prepared.release();
  });

  test("sequences of several lengths are refused with their numbers, and no account is kept unasked", async () => {
    await using checkpoint = await openCheckpoint(fixture("llama"));
    const config: unknown = JSON.parse(readFileSync(`${fixture("llama")}/config.json`, "utf8"));
    const weights = await modelWeights(checkpoint);
    const forward = modelForward(config, describeModel(config, weights.specs));
    const sequences = [
      [5, 6, 7, 8, 9, 10],
      [11, 12],
    ].map((ids) => ({
      ids,
      positions: forward.promptPositions(ids, []).axes,
      past: 0,
    }));
    const pass = await executor.prepare(forward.decoder, weights, { probes: {} });
    const cache = executor.createCache(forward.cache, 2, 6);
    const inputs = forward.decoderInputs({ sequences, capacity: 6, wanted: [0] });
    await expect(pass.run(inputs, { cache, added: [6, 2] })).rejects.toThrow("these have 6, 2 tokens");
    await pass.release();
    const unasked = await executor.prepare(forward.decoder, weights);
    expect(unasked.statistics).toBeUndefined();
    await unasked.release();
  });
});

test("an executor without statistics is refused", async () => {
  const plain = plainExecutor();
  const blind: Executor = {
    ...plain,
    name: "blind",
    prepare: (pass, weights) => plain.prepare(pass, weights),
  };
  await expect(calibrate(vlmGolden("llava"), requests, { executor: blind })).rejects.toThrow(
    "the blind executor keeps no statistics",
  );
});
