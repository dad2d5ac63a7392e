import { createHash } from "node:crypto";
import { toFloat32 } from "@vlmopt/tensor-io";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadQuant } from "./test-support/both-codes.ts";
import {
  bell,
  bellOf,
  fromBase64,
  gaussian,
  golden,
  patternsBelow,
  relativeSquaredError,
} from "./test-support/inputs.ts";
import { compressedTensorsInput, type IntegerGolden } from "./test-support/integer-golden.ts";

const { random, exhaustive } = golden<IntegerGolden>("integers");

afterEach(() => {
  vi.unstubAllEnvs();
});

const ofInt8 = <T extends { readonly bits: number }>(cases: readonly T[]) =>
  cases.filter(({ bits }) => bits === 8);

describe.each(["wasm", "plain"])("int8 by %s code", (code) => {
  it.each(ofInt8(exhaustive))(
    "gives compressed-tensors' numbers for every $dtype pattern up to $largest",
    async ({ dtype, largest, groupSize, codes }) => {
      const { encodeInt8 } = await loadQuant(code);
      const weights = patternsBelow(dtype as "F16" | "BF16", largest, 64);
      const encoded = encodeInt8(weights, { groupSize, scales: "compressed-tensors" });
      expect(Buffer.compare(new Uint8Array(encoded.numbers.buffer), fromBase64(codes))).toBe(0);
    },
  );

  it.each(ofInt8(random))(
    "gives compressed-tensors' bytes of $dtype [$rows, $columns] in groups of $groupSize, and back",
    async ({ groupSize, codes, scales, decoded, ...input }) => {
      const { decodeInt8, encodeInt8 } = await loadQuant(code);
      const weights = compressedTensorsInput({ ...input, groupSize });
      const encoded = encodeInt8(weights, { groupSize, scales: "compressed-tensors" });
      expect(encoded.scales).toEqual(toFloat32(fromBase64(scales), input.dtype));
      expect(new Uint8Array(encoded.numbers.buffer)).toEqual(fromBase64(codes));
      const back = createHash("sha256").update(decodeInt8(encoded, input.dtype)).digest("hex");
      expect(back).toBe(decoded);
    },
  );

  it("puts the largest weight of a row on 127 or −127 unless told otherwise", async () => {
    const { encodeInt8 } = await loadQuant(code);
    const weights = Float32Array.of(...Array(31).fill(0.1), -6.35, ...Array(31).fill(-0.5), 254);
    const { numbers, scales } = encodeInt8(weights, { groupSize: 32 });
    expect(scales).toEqual(Float32Array.of(0.05, 2));
    expect([...numbers.slice(30, 34), numbers[63]]).toEqual([2, -127, 0, 0, 127]);
  });

  it("errs by a twelfth of a step squared, the error of rounding", async () => {
    const { decodeInt8, encodeInt8 } = await loadQuant(code);
    const weights = gaussian(64 * 512, 4);
    const encoded = encodeInt8(weights, { groupSize: 512 });
    const steps = encoded.scales.reduce((sum, scale) => sum + scale ** 2, 0) / encoded.scales.length;
    const energy = weights.reduce((sum, weight) => sum + weight ** 2, 0) / weights.length;
    const error = relativeSquaredError(weights, decodeInt8(encoded, "F32"));
    expect(error / (steps / 12 / energy)).toBeCloseTo(1, 1);
  });

  it("refuses infinity by its place", async () => {
    const { encodeInt8 } = await loadQuant(code);
    const weights = bell(40_000, 1);
    weights[33_333] = Number.NEGATIVE_INFINITY;
    expect(() => encodeInt8(weights, { groupSize: 100 })).toThrow("weight 33333 is -Infinity");
  });

  it("takes scales of another dtype than the weights", async () => {
    const { encodeInt8 } = await loadQuant(code);
    const weights = bellOf("F32", 256, 9);
    const { scales } = encodeInt8(weights, { groupSize: 64, scaleDtype: "BF16" });
    const largest = toFloat32(weights.bytes, "F32")
      .subarray(0, 64)
      .reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    expect(Math.abs((scales[0] as number) / (largest / 127) - 1)).toBeLessThan(2 ** -8);
    expect(new Uint16Array(scales.buffer)[0]).toBe(0);
  });
});
