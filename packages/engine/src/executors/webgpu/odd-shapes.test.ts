import type { ForwardPass, Ops } from "@vlmopt/models";
import { memorySink, memorySource, openSources, writeCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { modelWeights } from "../../weights/model-weights.ts";
import type { Executor } from "../executor.ts";
import { plainExecutor } from "../plain/plain-executor.ts";
import { NoGpuError } from "./webgpu-device.ts";
import { webgpuExecutor } from "./webgpu-in-node.ts";

const executor = await webgpuExecutor({ f16: false }).catch((error: unknown) => {
  if (!(error instanceof NoGpuError)) throw error;
  console.warn(`Kernels are not tested over odd shapes here: ${error.message}.`);
  return undefined;
});

/** Numbers from −1 to 1 that do not repeat soon. */
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) * (seed + 1)));

async function weightsOf(shapes: Readonly<Record<string, readonly number[]>>) {
  const sink = memorySink();
  const tensors = Object.entries(shapes).map(([name, shape], seed) => {
    const values = numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    );
    return { name, dtype: "F32" as const, shape: [...shape], bytes: new Uint8Array(values.buffer) };
  });
  await writeCheckpoint(tensors, sink);
  return modelWeights(await openSources([memorySource(sink.files.get("model.safetensors") as Uint8Array)]));
}

/** What both give for a pass over one input. */
async function both(
  gpu: Executor,
  shapes: Readonly<Record<string, readonly number[]>>,
  shape: readonly number[],
  run: <T>(ops: Ops<T>, x: T) => T,
): Promise<[expected: Float32Array, found: Float32Array]> {
  const weights = await weightsOf(shapes);
  const pass = {
    inputs: { x: { dtype: "F32" as const, shape: [...shape] } },
    run: <T>(ops: Ops<T>, inputs: Readonly<Record<string, T>>) => ({ y: run(ops, inputs.x as T) }),
  };
  const x = {
    shape: [...shape],
    data: numbers(
      shape.reduce((a, b) => a * b, 1),
      7,
    ),
  };
  const results: Float32Array[] = [];
  for (const each of [plainExecutor(), gpu]) {
    const { y } = await (await each.prepare(pass, weights)).run({ x });
    results.push((await y?.read()) as Float32Array);
  }
  return results as [Float32Array, Float32Array];
}

function expectClose([expected, found]: [Float32Array, Float32Array]): void {
  expect(found).toHaveLength(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (const [i, value] of expected.entries())
    expect(Math.abs((found[i] as number) - value)).toBeLessThan(1e-5 * (1 + largest));
}

describe.skipIf(executor === undefined)("by WebGPU, as by the plain executor", { timeout: 120_000 }, () => {
  const gpu = executor as Executor;

  // One token, a few, and many; inner axes that are no multiple of a word, a tile or a block.
  test.each([
    [1, 7706, 22],
    [3, 130, 67],
    [33, 98, 130],
    [70, 33, 65],
  ])("%i tokens by %i numbers to %i outputs", async (tokens, k, n) => {
    const shapes = { w: [n, k], b: [n] };
    expectClose(await both(gpu, shapes, [1, tokens, k], (ops, x) => ops.linear(x, "w", "b")));
  });

  test("more outputs than workgroups have at once", async () => {
    const shapes = { w: [20_011, 20], b: [20_011] };
    expectClose(await both(gpu, shapes, [2, 1, 20], (ops, x) => ops.linear(x, "w", "b")));
  });

  // Fours of numbers, and rows that are none.
  test.each([
    ["rms", 1, 66],
    ["rms", 37, 66],
    ["layer", 2, 66],
    ["layer", 37, 66],
    ["layer", 1, 64],
    ["layer", 37, 64],
  ] as const)(
    "a %s norm, a gated product and what is added again, %i tokens of %i",
    async (kind, tokens, width) => {
      const shapes = { norm: [width], bias: [width], gate: [46, width], up: [46, width], down: [width, 46] };
      const run = <T>(ops: Ops<T>, x: T) => {
        const normed =
          kind === "rms" ? ops.rmsNorm(x, "norm", 1e-5, 0) : ops.layerNorm(x, 1e-5, "norm", "bias");
        const inner = ops.gated(ops.linear(normed, "gate"), ops.linear(normed, "up"), "silu");
        return ops.add(x, ops.linear(inner, "down"));
      };
      expectClose(await both(gpu, shapes, [1, tokens, width], run));
    },
  );

  test.each([
    [22, 22, 12],
    [6, 2, 40],
    [3, 1, 20],
  ])("attention of %i heads to %i, of %i numbers each", async (heads, kvHeads, headDim) => {
    const [width, kvWidth] = [heads * headDim, kvHeads * headDim];
    const shapes = { q: [width, 30], k: [kvWidth, 30], v: [kvWidth, 30] };
    const run = <T>(ops: Ops<T>, x: T) =>
      ops.attention(ops.linear(x, "q"), ops.linear(x, "k"), ops.linear(x, "v"), { heads, kvHeads });
    expectClose(await both(gpu, shapes, [2, 19, 30], run));
  });

  // Long enough for several workgroups to share a head; put together by the product that reads it, or before what else does.
  test.each([
    ["product", "all before them"],
    ["sum", "all before them"],
    ["product", "what a mask leaves"],
  ])(
    "one token of each of two sequences after 301 and 260, read by a %s, seeing %s",
    async (reader, seen) => {
      const [heads, kvHeads, headDim, capacity] = [6, 2, 16, 320];
      const [width, kvWidth] = [heads * headDim, kvHeads * headDim];
      const layers = [{ kvHeads, headDim }];
      const weights = await weightsOf({ q: [width, 30], k: [kvWidth, 30], v: [kvWidth, 30], o: [40, width] });
      const masked = seen === "what a mask leaves";
      const pass: ForwardPass = {
        inputs: {
          x: { dtype: "F32", shape: [2, undefined, 30] },
          ...(masked ? { visible: { dtype: "F32", shape: [2, 1, undefined, capacity] } } : {}),
        },
        run: (ops, { x, visible }) => {
          const input = x as NonNullable<typeof x>;
          const [q, k, v] = [ops.linear(input, "q"), ops.linear(input, "k"), ops.linear(input, "v")];
          const found = ops.cachedAttention(q, k, v, { heads, kvHeads, headDim, layer: 0 }, visible);
          return { y: reader === "product" ? ops.linear(found, "o") : ops.add(found, q) };
        },
      };
      const lengths = [301, 260];
      /** Every third token is hidden, and what is not there yet. */
      const visible = (tokens: number, past: readonly number[]) => {
        const data = Float32Array.from({ length: 2 * tokens * capacity }, (_, i) => {
          const [sequence, token] = [Math.floor(i / (tokens * capacity)), i % capacity];
          const isThere =
            token < (past[sequence] as number) + (tokens === 1 ? 1 : (lengths[sequence] as number));
          return isThere && token % 3 !== 1 ? token / capacity : Number.NEGATIVE_INFINITY;
        });
        return masked ? { visible: { shape: [2, 1, tokens, capacity], data } } : {};
      };
      const results: Float32Array[] = [];
      for (const each of [plainExecutor(), gpu]) {
        const prepared = await each.prepare(pass, weights);
        const cache = each.createCache({ layers }, 2, capacity);
        await prepared.run(
          { x: { shape: [2, 301, 30], data: numbers(2 * 301 * 30, 7) }, ...visible(301, [0, 0]) },
          { cache, added: lengths },
        );
        const { y } = await prepared.run(
          { x: { shape: [2, 1, 30], data: numbers(60, 8) }, ...visible(1, lengths) },
          { cache, added: [1, 1] },
        );
        results.push((await y?.read()) as Float32Array);
      }
      expectClose(results as [Float32Array, Float32Array]);
    },
  );

  test("the card's time of each pass is there once, where it is asked to keep account", async () => {
    const timed = await webgpuExecutor({ timed: true });
    const weights = await weightsOf({ w: [64, 64] });
    const pass: ForwardPass = {
      inputs: { x: { dtype: "F32", shape: [1, undefined, 64] } },
      run: (ops, { x }) => ({ y: ops.linear(x as NonNullable<typeof x>, "w") }),
    };
    const prepared = await timed.prepare(pass, weights);
    const x = { shape: [1, 3, 64], data: numbers(3 * 64, 1) };
    for (let run = 0; run < 3; run++) await prepared.run({ x });
    const times = await timed.passTimes?.();
    expect(times).toHaveLength(3);
    for (const time of times ?? []) expect(time).toBeGreaterThan(0);
    expect(await timed.passTimes?.()).toEqual([]);
    expect(gpu.passTimes).toBeUndefined();
  });
});
