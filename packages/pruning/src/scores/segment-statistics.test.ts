import { type Dtype, fromFloat32, toFloat32 } from "@vlmopt/tensor-io";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";

afterEach(() => {
  vi.unstubAllEnvs();
});

async function statisticsBy(kind: "wasm" | "plain") {
  vi.resetModules();
  vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
  return (await import("./segment-statistics.ts")).segmentStatistics;
}

describe.each(["BF16", "F16", "F32"] as const)("statistics of %s", (dtype: Dtype) => {
  it("are the same by wasm and by plain code, for segments of any length", async () => {
    const byWasm = await statisticsBy("wasm");
    const byPlain = await statisticsBy("plain");
    const matrices = fc
      .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 9 }))
      .chain(([length, segments]) =>
        fc.tuple(
          fc.constant(length),
          fc.array(fc.float({ noNaN: true, min: -1000, max: 1000 }), {
            minLength: length * segments,
            maxLength: length * segments,
          }),
        ),
      );
    fc.assert(
      fc.property(matrices, ([length, values]) => {
        const bytes = fromFloat32(Float32Array.from(values), dtype);
        expect(byWasm(bytes, dtype, length, "extremes").map((x) => x + 0)).toEqual(
          byPlain(bytes, dtype, length, "extremes").map((x) => x + 0),
        );
        const [wasm, plain] = [byWasm, byPlain].map((run) => run(bytes, dtype, length, "moments"));
        const scale = toFloat32(bytes, dtype).reduce((sum, x) => sum + x * x + Math.abs(x), 1e-300);
        for (const [i, value] of (wasm ?? []).entries()) {
          expect(Math.abs(value - (plain?.[i] as number))).toBeLessThanOrEqual(1e-13 * scale);
        }
      }),
      { numRuns: 300, seed: 3 },
    );
  });

  it("show what is not finite", async () => {
    for (const kind of ["wasm", "plain"] as const) {
      const run = await statisticsBy(kind);
      for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        for (const statistic of ["extremes", "moments"] as const) {
          const values = Float32Array.from({ length: 19 }, (_, i) => (i === 5 ? value : i));
          const result = run(fromFloat32(values, dtype), dtype, 19, statistic);
          expect(result.every(Number.isFinite)).toBe(false);
        }
      }
    }
  });
});
