import { describe, expect, test } from "vitest";
import type { DeviceTensor, Executor } from "../executors/executor.ts";
import { ortExecutor } from "../executors/ort/ort-executor.ts";
import { plainExecutor } from "../executors/plain/plain-executor.ts";
import { tfjsExecutor } from "../executors/tfjs/tfjs-in-node.ts";
import { webgpuExecutor } from "../executors/webgpu/webgpu-in-node.ts";
import { type MadeShape, madeEvidence, visualTokenGoldens } from "../test-support/made-evidence.ts";
import { evidencePass, expectChoices, none } from "../test-support/picture-evidence.ts";
import { poolGrid } from "./pooling.ts";

/** methods.slow.test.ts has all pictures. */
test.each(Object.keys(visualTokenGoldens.shapes))(
  "methods choose what papers' formulas do, %s",
  { timeout: 60_000 },
  (shape) => expectChoices(shape, 0),
);

const webgpu = await webgpuExecutor({ f16: false }).catch(() => undefined);
const executors: readonly Executor[] = [
  plainExecutor(),
  await tfjsExecutor({ backend: "wasm" }),
  ...(webgpu === undefined ? [] : [webgpu]),
];

describe.each(executors)("$name", (executor) => {
  test("gives the evidence that ONNX Runtime gives", { timeout: 600_000 }, async () => {
    const small: MadeShape = { side: 5, heads: 3, head_dim: 8, features: 20, class_token: true };
    const given = madeEvidence(small, 1);
    const { relevance: _, ...inputs } = given;
    const classRows = { shape: [1], data: Int32Array.of(0) };
    const read = async (by: Executor) => {
      const pass = await by.prepare(evidencePass(small), none);
      const tensors = (await pass.run({ ...inputs, classRows })) as Record<string, DeviceTensor>;
      const values: Record<string, Float32Array> = {};
      for (const [name, tensor] of Object.entries(tensors)) values[name] = await tensor.read();
      return values;
    };
    const [expected, found] = [await read(ortExecutor()), await read(executor)];
    for (const [name, values] of Object.entries(expected)) {
      expect(found[name]).toHaveLength(values.length);
      for (const [i, value] of values.entries()) expect(found[name]?.[i]).toBeCloseTo(value, 4);
    }
  });
});

test("pools are as many as fit, no more than twice as long as wide", () => {
  expect(poolGrid(24, 24, 128)).toEqual([8, 16]);
  expect(poolGrid(8, 8, 16)).toEqual([4, 4]);
  expect(poolGrid(8, 8, 17)).toEqual([4, 4]);
  expect(poolGrid(24, 24, 144)).toEqual([12, 12]);
  expect(poolGrid(2, 40, 20)).toEqual([1, 20]);
});
