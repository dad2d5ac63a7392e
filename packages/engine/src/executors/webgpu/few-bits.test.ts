import type { Ops } from "@vlmopt/models";
import { quantizeCheckpoint, schemeNamed } from "@vlmopt/quant";
import { memorySink, memorySource, openSources, writeCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, test } from "vitest";
import { modelWeights } from "../../weights/model-weights.ts";
import type { Executor } from "../executor.ts";
import { plainExecutor } from "../plain/plain-executor.ts";
import { NoGpuError } from "./webgpu-device.ts";
import { webgpuExecutor } from "./webgpu-in-node.ts";

const executor = await webgpuExecutor({ f16: false }).catch((error: unknown) => {
  if (!(error instanceof NoGpuError)) throw error;
  console.warn(`Kernels are not tested on weights of few bits here: ${error.message}.`);
  return undefined;
});

/** Numbers from −1 to 1 that do not repeat soon. */
const numbers = (count: number, seed: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(12.9898 * (i + 1) * (seed + 1)));

/** A matrix `w` and others below it, each of `[n, k]`, stored in a scheme. */
async function weightsOf(names: readonly string[], n: number, k: number, scheme: string) {
  const [plain, stored] = [memorySink(), memorySink()];
  const tensors = names.map((name, seed) => ({
    ...{ name: `${name}.weight`, dtype: "F32" as const, shape: [n, k] },
    bytes: new Uint8Array(numbers(n * k, seed).buffer),
  }));
  await writeCheckpoint(tensors, plain);
  const size = { bytes: 0, bitsPerWeight: 0 };
  const groups = [{ scheme: schemeNamed(scheme, "fast"), tensors: tensors.map(({ name }) => name) }];
  const plan = { version: 1, made: {}, groups, kept: [], notes: [], joined: [], config: [] } as const;
  await using source = await openSources([memorySource(plain.files.get("model.safetensors") as Uint8Array)]);
  await quantizeCheckpoint(source, { ...plan, before: size, after: size }, stored, { workers: 0 });
  return modelWeights(await openSources([memorySource(stored.files.get("model.safetensors") as Uint8Array)]));
}

async function valuesBy(
  each: Executor,
  weights: Awaited<ReturnType<typeof weightsOf>>,
  shape: readonly number[],
  run: <T>(ops: Ops<T>, x: T) => T,
): Promise<Float32Array> {
  const pass = {
    inputs: { x: { dtype: "F32" as const, shape: [...shape] } },
    run: <T>(ops: Ops<T>, inputs: Readonly<Record<string, T>>) => ({ y: run(ops, inputs.x as T) }),
  };
  const data = numbers(
    shape.reduce((a, b) => a * b, 1),
    7,
  );
  const { y } = await (await each.prepare(pass, weights)).run({ x: { shape: [...shape], data } });
  return (await y?.read()) as Float32Array;
}

describe.skipIf(executor === undefined)("by WebGPU, as by the plain executor", { timeout: 120_000 }, () => {
  // Whole words and half ones of the plane of high bits; groups that words do not fill; what formats store otherwise.
  test.each([
    ["int3-g64", 320],
    ["int3-g128-zero", 256],
    ["int2-g64", 320],
    ["int2-g64-zero", 192],
    ["int3-g32", 96],
    ["int2-g32-zero", 96],
    ["gptq-int3-g64", 192],
    ["gptq-g32-zero", 96],
    ["awq-g32", 96],
    ["int8-g32", 96],
    ["int8-g32-zero", 96],
  ])("products of one token and of many with %s of rows of %i", async (scheme, k) => {
    const weights = await weightsOf(["w", "v"], 96, k, scheme);
    for (const tokens of [1, 70]) {
      const run = <T>(ops: Ops<T>, x: T) =>
        ops.gated(ops.linear(x, "w.weight"), ops.linear(x, "v.weight"), "silu");
      const shape = [1, tokens, k];
      const expected = await valuesBy(plainExecutor(), weights, shape, run);
      const found = await valuesBy(executor as Executor, weights, shape, run);
      const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      expect(found).toHaveLength(expected.length);
      for (const [i, value] of expected.entries())
        expect(Math.abs((found[i] as number) - value)).toBeLessThan(1e-5 * (1 + largest));
    }
  });
});
