import {
  type Dtype,
  fromFloat32,
  memorySink,
  memorySource,
  openSources,
  rewriteCheckpoint,
  select,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toFloat32 } from "../convert/convert.ts";
import { firstNonFinite } from "./non-finite.ts";

const dtypes: readonly Dtype[] = ["F64", "F32", "F16", "BF16", "F8_E5M2", "F8_E4M3"];

describe("the first number that is not finite", () => {
  test.each(dtypes)("of random %s is the one that JavaScript finds among the decoded", (dtype) => {
    const size = { F64: 8, F32: 4, F16: 2, BF16: 2 }[dtype as "F64"] ?? 1;
    const check = (bytes: Uint8Array, skip: number) => {
      // Views that begin anywhere.
      const all = new Uint8Array(bytes.length + skip);
      all.set(bytes, skip);
      const view = all.subarray(skip, skip + Math.floor(bytes.length / size) * size);
      const values = dtype === "F64" ? new Float64Array(view.slice().buffer) : toFloat32(view.slice(), dtype);
      expect(firstNonFinite(view, dtype)).toBe(values.findIndex((value) => !Number.isFinite(value)));
    };
    const bytes = fc.array(fc.oneof(fc.constantFrom(0x7f, 0x80, 0xff, 0x7c, 0xf0, 0), fc.nat(255)), {
      maxLength: 80,
    });
    fc.assert(
      fc.property(bytes, fc.nat(3), (list, skip) => check(Uint8Array.from(list), skip)),
      { numRuns: 500 },
    );
  });
});

describe("a rewrite that refuses them", () => {
  const checkpoint = async (values: Record<string, readonly number[]>, dtype: Dtype = "F32") => {
    const sink = memorySink();
    const tensors = Object.entries(values).map(([name, list]) => ({
      name,
      dtype,
      shape: [list.length / 3, 3],
      bytes: fromFloat32(Float32Array.from(list), dtype),
    }));
    await writeCheckpoint(tensors, sink);
    return openSources([...sink.files].map(([name, bytes]) => memorySource(bytes, name)));
  };
  const finite = [1, 2, 3, 4, 5, 6];

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    "names tensor and place of %s, copied, cast or cut",
    async (value) => {
      const source = await checkpoint({ a: finite, b: [1, 2, 3, 4, 5, value], c: finite });
      const run = (transform?: Parameters<typeof rewriteCheckpoint>[1], options = {}) =>
        rewriteCheckpoint(source, transform, memorySink(), { refuseNonFinite: true, workers: 0, ...options });
      const message = `tensor "b": weight [1, 2] is ${value}`;
      await expect(run()).rejects.toThrow(message);
      await expect(run(undefined, { dtype: "BF16" })).rejects.toThrow(message);
      await expect(run((tensor) => select(tensor, { columns: Uint32Array.of(0, 2) }))).rejects.toThrow(
        message,
      );
      await expect(run(undefined, { refuseNonFinite: false })).resolves.toBeDefined();
    },
  );

  test("names what a smaller dtype has no room for", async () => {
    const source = await checkpoint({ a: finite, b: [1, 2, 3, 70_000, 5, 6] });
    const run = (dtype: Dtype) =>
      rewriteCheckpoint(source, undefined, memorySink(), { refuseNonFinite: true, workers: 0, dtype });
    await expect(run("F16")).rejects.toThrow('tensor "b": weight [1, 0] is too large for F16');
    await expect(run("BF16")).resolves.toBeDefined();
  });
});
