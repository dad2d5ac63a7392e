import { createHash } from "node:crypto";
import type { FloatDtype } from "@vlmopt/quant";
import { toFloat32 } from "@vlmopt/tensor-io";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadQuant } from "./test-support/both-codes.ts";
import { bell, bellOf, fromBase64, golden, patternsBelow } from "./test-support/inputs.ts";
import {
  compressedTensorsInput,
  type IntegerGolden,
  onnxRuntimeInput,
} from "./test-support/integer-golden.ts";

const { random, exhaustive, matMulNBits } = golden<IntegerGolden>("integers");

afterEach(() => {
  vi.unstubAllEnvs();
});

const ofInt4 = <T extends { readonly bits: number }>(cases: readonly T[]) =>
  cases.filter(({ bits }) => bits === 4);
const zeroPointsOf = (symmetric: boolean) => (symmetric ? "none" : "whole");

describe.each(["wasm", "plain"])("int4 by %s code", (code) => {
  it.each(ofInt4(exhaustive))(
    "gives compressed-tensors' numbers for every $dtype pattern up to $largest, symmetric: $symmetric",
    async ({ dtype, largest, symmetric, groupSize, codes }) => {
      const { encodeInt4 } = await loadQuant(code);
      const zeroPoints = zeroPointsOf(symmetric);
      const encoded = encodeInt4(patternsBelow(dtype as "F16" | "BF16", largest, 64), {
        groupSize,
        zeroPoints,
      });
      expect(Buffer.compare(encoded.codes, fromBase64(codes))).toBe(0);
    },
  );

  it.each(ofInt4(random))(
    "gives compressed-tensors' bytes of $dtype [$rows, $columns] in groups of $groupSize, symmetric: $symmetric, and back",
    async ({ symmetric, groupSize, codes, scales, zeroPoints, decoded, ...input }) => {
      const { decodeInt4, encodeInt4 } = await loadQuant(code);
      const encoded = encodeInt4(compressedTensorsInput({ ...input, groupSize }), {
        groupSize,
        zeroPoints: zeroPointsOf(symmetric),
      });
      expect(encoded.scales).toEqual(toFloat32(fromBase64(scales), input.dtype));
      if (!symmetric) expect(encoded.zeroPoints).toEqual(fromBase64(zeroPoints));
      expect(encoded.codes).toEqual(fromBase64(codes));
      const back = createHash("sha256").update(decodeInt4(encoded, input.dtype)).digest("hex");
      expect(back).toBe(decoded);
    },
  );

  it.each(matMulNBits)(
    "gives ONNX Runtime's bytes of $dtype for MatMulNBits in groups of $groupSize",
    async ({ dtype, count, groupSize, codes, scales }) => {
      const { encodeInt4 } = await loadQuant(code);
      const encoded = encodeInt4(onnxRuntimeInput(dtype, count, groupSize), {
        groupSize,
        scales: "onnxruntime",
      });
      expect(encoded.scales).toEqual(toFloat32(fromBase64(scales), dtype));
      expect(encoded.codes).toEqual(fromBase64(codes));
    },
  );

  it("refuses NaN by its place and groups that do not divide", async () => {
    const { encodeInt4 } = await loadQuant(code);
    const weights = bell(1000, 1);
    expect(() => encodeInt4(weights, { groupSize: 64 })).toThrow("groups of 64 do not divide 1000 weights");
    weights[999] = Number.NaN;
    expect(() => encodeInt4(weights, { groupSize: 40 })).toThrow("weight 999 is NaN");
  });

  it("refuses scales that their dtype cannot hold", async () => {
    const { encodeInt4 } = await loadQuant(code);
    const weights = new Float32Array(64).fill(1e6, 32);
    expect(() => encodeInt4(weights, { groupSize: 32, scaleDtype: "F16" })).toThrow(
      /the scale of group 1 is 133333.* too large for F16/,
    );
  });
});

describe("searching int4's scales", () => {
  const searches = [
    { zeroPoints: "none", better: 0.88 },
    { zeroPoints: "whole", better: 0.92 },
    { zeroPoints: "float", better: 0.88 },
  ] as const;

  it.each(searches)(
    "gives the same bits by either code, zero points: $zeroPoints",
    async ({ zeroPoints }) => {
      for (const [dtype, groupSize, count] of [
        ["F32", 32, 2048],
        ["BF16", 128, 4096],
        ["F16", 9216, 18432],
      ] as const satisfies readonly [FloatDtype, number, number][]) {
        const options = { groupSize, zeroPoints, scales: "search" } as const;
        const [wasm, plain] = [await loadQuant("wasm"), await loadQuant("plain")];
        const weights = bellOf(dtype, count, groupSize);
        vi.stubEnv("VLMOPT_NO_WASM", "");
        const fast = wasm.encodeInt4(weights, options);
        vi.stubEnv("VLMOPT_NO_WASM", "1");
        expect(plain.encodeInt4(weights, options)).toEqual(fast);
      }
    },
  );
});
