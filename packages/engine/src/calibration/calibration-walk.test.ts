import {
  type CalibrationItem,
  depthDistances,
  type Executor,
  openCalibrationWalk,
  ortExecutor,
  plainExecutor,
} from "@vlmopt/engine";
import { describe, expect, test } from "vitest";
import { fixture, vlmGolden } from "../test-support/goldens.ts";
import { expectWalk, walkGoldens } from "../test-support/walk-goldens.ts";

const executors = [plainExecutor(), ortExecutor({ activations: "float32", threads: 1 })];

const texts = walkGoldens.texts.map((ids) => ({ ids }));

describe.each(executors)("by the $name executor", (executor: Executor) => {
  test.each(["llama", "gemma2", "opt"])(
    "a walk through %s sees what PyTorch sees while layers, neurons and heads go",
    (name) => expectWalk(name, executor),
  );

  test("so does one through a LLaVA that reads pictures, questions and answers", () =>
    expectWalk("llava", executor));

  test("distances between depths are PyTorch's", async () => {
    const golden = walkGoldens.models.opt?.distances ?? [];
    for (const [n, expected] of golden.entries()) {
      const found = await depthDistances(fixture("opt"), texts, n + 1, { executor });
      expect(found.length).toBe(expected.length);
      for (const [layer, distance] of expected.entries()) expect(found[layer]).toBeCloseTo(distance, 6);
    }
  });

  test("NaN in weights is refused with layer and linear", async () => {
    const walk = await openCalibrationWalk(fixture("llama"), texts, { executor });
    const name = "model.layers.0.mlp.gate_proj.weight";
    const broken = new Map([[name, { shape: [80, 48], data: new Float32Array(80 * 48).fill(Number.NaN) }]]);
    await walk.advance();
    await expect(walk.observe({}, broken)).rejects.toThrow(
      "layer 0: NaN or infinite numbers go into model.layers.0.mlp.down_proj.weight",
    );
    await expect(walk.advance(broken)).rejects.toThrow(
      "NaN or infinite numbers come out of the mlp of layer 0",
    );
    await walk.release();
  });
});

describe("a walk", () => {
  const executor = ortExecutor({ activations: "float32", threads: 1 });
  const llama = (data: readonly CalibrationItem[], dropped: readonly number[] = []) =>
    openCalibrationWalk(fixture("llama"), data, { executor, dropped });

  test("holds one item of eight out, sixteen at most, and counts what is fitted to", async () => {
    const walk = await llama(texts);
    expect(walk.sequences).toBe(8);
    expect(walk.tokens).toBe(texts.reduce((sum, { ids }, n) => sum + (n === 7 ? 0 : ids.length), 0));
    await walk.release();
    const few = await llama(texts.slice(0, 7));
    expect(few.sequences).toBe(7);
    expect(await few.loss()).toBeGreaterThan(0);
    await few.release();
    const many = await llama(Array.from({ length: 200 }, () => ({ ids: [5, 6] })));
    expect(many.tokens).toBe(2 * 184);
    await many.release();
  });

  test("errors of tokens count alike, however long their streams are", async () => {
    const name = "model.layers.0.mlp.down_proj.weight";
    const errors = async (ids: readonly number[]) => {
      const walk = await llama([...texts.slice(0, 7), { ids }]);
      await walk.advance();
      const zeros = new Map([[name, { shape: [48, 80], data: new Float32Array(48 * 80) }]]);
      const found = { whole: await walk.error(zeros), tokens: await walk.tokenError(zeros) };
      expect(await walk.tokenError()).toBe(0);
      await walk.release();
      return found;
    };
    // Attention sees what comes before, so that the first of two tokens is what it is alone.
    const [first, both] = [await errors([5]), await errors([5, 60])];
    expect(first.tokens).toBeCloseTo(first.whole, 12);
    const second = 2 * both.tokens - first.tokens;
    expect(second).not.toBeCloseTo(first.tokens, 3);
    // The whole's error is the mean of both by the squares of their streams.
    const share = (both.whole - second) / (first.tokens - second);
    expect(share).toBeGreaterThan(0);
    expect(share).toBeLessThan(1);
  });

  test("reads no more of an item than it is told", async () => {
    const walk = await openCalibrationWalk(fixture("llama"), texts, { executor, maxTokens: 5 });
    expect(walk.tokens).toBe(40);
    await walk.release();
  });

  test.each<[string, readonly CalibrationItem[], readonly number[], string]>([
    ["no data", [], [], "there is no calibration data"],
    ["no tokens", [{ ids: [] }], [], "calibration item 1 has no tokens"],
    [
      "unknown tokens",
      [{ ids: [5] }, { ids: [5, 96] }],
      [],
      "calibration item 2 has the token 96, and the model's 96",
    ],
    ["too many tokens", [{ ids: Array(129).fill(5) }], [], "has 129 tokens, and the model places for 128"],
    ["a layer that is not there", texts, [3], "layer 3 is to be dropped, and the model's 3 begin with 0"],
    ["no layers left", texts, [0, 1, 2], "all 3 layers are to be dropped"],
  ])("is refused with %s", async (_, data, dropped, message) => {
    await expect(llama(data, dropped)).rejects.toThrow(message);
  });

  test("refuses pictures for a text model", async () => {
    const data = [{ prompt: "What is it?", images: [vlmGolden("picture.png")] }];
    await expect(
      openCalibrationWalk(new URL("../../../../fixtures/encoders/gpt2", import.meta.url).pathname, data),
    ).rejects.toThrow("gpt2");
  });

  test("refuses tensors of another block, and sizes that do not agree", async () => {
    const walk = await llama(texts);
    const name = "model.layers.0.self_attn.q_proj.weight";
    const smaller = new Map([[name, { shape: [40, 48], data: new Float32Array(40 * 48) }]]);
    await expect(walk.advance(smaller)).rejects.toThrow(
      `${name} has 40 rows, but model.layers.0.self_attn.o_proj.weight 48 columns`,
    );
    const other = new Map([
      ["model.layers.1.mlp.up_proj.weight", { shape: [80, 48], data: new Float32Array(80 * 48) }],
    ]);
    await expect(walk.observe({}, other)).rejects.toThrow("is no tensor of the attention of layer 0");
    const short = new Map([[name, { shape: [48, 48], data: new Float32Array(5) }]]);
    await expect(walk.loss(short)).rejects.toThrow(`${name} is replaced by 5 numbers, but [48,48] has 2304`);
    await expect(walk.observe({ gram: ["model.layers.0.mlp.up_proj.weight"] })).rejects.toThrow(
      "is no linear of the attention of layer 0",
    );
    await expect(walk.finalNorm()).rejects.toThrow("the walk is at block 0 of 6");
    for (const _ of walk.blocks) await walk.advance();
    await expect(walk.advance()).rejects.toThrow("behind the last of its 6 blocks");
    const loss = await walk.loss();
    expect(loss).toBeGreaterThan(0);
    const gain = (data: Float32Array) => new Map([["model.norm.weight", { shape: [48], data }]]);
    expect(await walk.loss(gain(new Float32Array(48).fill(3)))).not.toBeCloseTo(loss, 3);
    await expect(walk.loss(gain(new Float32Array(5)))).rejects.toThrow(
      "model.norm.weight is replaced by 5 numbers, and has 48",
    );
    await expect(walk.loss(smaller)).rejects.toThrow("is not the final norm's gain");
    await walk.release();
  });
});
