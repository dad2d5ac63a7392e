import { createHash } from "node:crypto";
import type { FloatDtype } from "@vlmopt/quant";
import { fromFloat32 } from "@vlmopt/tensor-io";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadQuant } from "./test-support/both-codes.ts";
import {
  bell,
  fromBase64,
  gaussian,
  golden,
  patternsBelow,
  relativeSquaredError,
  student5,
} from "./test-support/inputs.ts";
import type { StoredWeights } from "./weights.ts";

/** Goldens by tools/reference/quant_e2m1.py. */
interface Golden {
  readonly random: readonly {
    readonly format: "nvfp4" | "mxfp4";
    readonly dtype: FloatDtype;
    readonly rows: number;
    readonly columns: number;
    readonly largest: number;
    readonly codes: string;
    readonly scales: string;
    readonly globalScale: number;
    readonly decoded: string;
  }[];
  readonly exhaustive: readonly {
    readonly format: "nvfp4" | "mxfp4";
    readonly dtype: "F16" | "BF16";
    readonly largest: number;
    readonly codes: string;
    readonly scales: string;
  }[];
}

const { random, exhaustive } = golden<Golden>("e2m1");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Of a bell's weights, scaled, the first 32 are zeros, and the next 32 eighths. */
function input(dtype: FloatDtype, count: number, largest: number): StoredWeights {
  const weights = bell(count, count);
  weights.fill(0, 0, 32);
  weights.set(weights.subarray(32, 64).map(roundedToEighth), 32);
  return {
    dtype,
    bytes: fromFloat32(
      weights.map((weight) => weight * largest),
      dtype,
    ),
  };
}

function roundedToEighth(weight: number): number {
  const eighths = weight * 8;
  const below = Math.floor(eighths);
  const up = eighths - below > 0.5 || (eighths - below === 0.5 && below % 2 !== 0);
  return (up ? below + 1 : below) / 8;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.each(["wasm", "plain"])("by %s code", (code) => {
  it.each(random)(
    "$format of $dtype [$rows, $columns] up to $largest has compressed-tensors' bytes, and comes back as its BF16",
    async ({ format, dtype, rows, columns, largest, ...expected }) => {
      const { decodeMxfp4, decodeNvfp4, encodeMxfp4, encodeNvfp4 } = await loadQuant(code);
      const weights = input(dtype, rows * columns, largest);
      const encoded = format === "nvfp4" ? encodeNvfp4(weights) : { ...encodeMxfp4(weights), globalScale: 1 };
      expect(encoded.globalScale).toBe(expected.globalScale);
      expect(encoded.scales).toEqual(fromBase64(expected.scales));
      expect(encoded.codes).toEqual(fromBase64(expected.codes));
      const decode = format === "nvfp4" ? decodeNvfp4 : decodeMxfp4;
      expect(sha256(decode(encoded, "BF16"))).toBe(expected.decoded);
    },
  );

  it.each(exhaustive)(
    "$format of every $dtype pattern up to $largest has compressed-tensors' bytes",
    async ({ format, dtype, largest, codes, scales }) => {
      const { encodeMxfp4, encodeNvfp4 } = await loadQuant(code);
      const weights = patternsBelow(dtype, largest, format === "nvfp4" ? 16 : 32);
      const encoded = format === "nvfp4" ? encodeNvfp4(weights) : encodeMxfp4(weights);
      expect(sha256(encoded.scales)).toBe(scales);
      expect(sha256(encoded.codes)).toBe(codes);
    },
  );

  it("refuses NaN by its place and groups that do not divide", async () => {
    const { encodeMxfp4, encodeNvfp4 } = await loadQuant(code);
    const weights = bell(40000, 1);
    expect(() => encodeNvfp4(weights.subarray(0, 40))).toThrow("groups of 16 do not divide 40 weights");
    weights[39999] = Number.NaN;
    expect(() => encodeMxfp4(weights)).toThrow("weight 39999 is NaN");
    expect(() => encodeNvfp4(weights)).toThrow("weight 39999 is NaN");
  });
});

describe("a search for scales", () => {
  const gauss = gaussian(64 * 1024, 3);
  const heavyTailed = student5(64 * 1024, 4);

  it("gives the same bytes by either code", async () => {
    const [wasm, plain] = [await loadQuant("wasm"), await loadQuant("plain")];
    for (const dtype of ["F32", "F16", "BF16"] as const) {
      const weights = { dtype, bytes: fromFloat32(heavyTailed.subarray(0, 8192), dtype) };
      vi.stubEnv("VLMOPT_NO_WASM", "");
      const fast = [
        wasm.encodeNvfp4(weights, { scales: "search" }),
        wasm.encodeMxfp4(weights, { scales: "search" }),
      ];
      vi.stubEnv("VLMOPT_NO_WASM", "1");
      expect(plain.encodeNvfp4(weights, { scales: "search" })).toEqual(fast[0]);
      expect(plain.encodeMxfp4(weights, { scales: "search" })).toEqual(fast[1]);
    }
  });

  const searches = [
    { format: "NVFP4", groupSize: 16, largestRatio: 0.8 },
    // Powers of two leave little to choose.
    { format: "MXFP4", groupSize: 32, largestRatio: 0.999 },
  ] as const;

  it.each(searches)(
    "of $format never errs more in a group, and less than $largestRatio times in all",
    async ({ format, groupSize, largestRatio }) => {
      const { decodeMxfp4, decodeNvfp4, encodeMxfp4, encodeNvfp4 } = await loadQuant("wasm");
      const decoded = (weights: Float32Array, scales: "compressed-tensors" | "search") =>
        format === "NVFP4"
          ? decodeNvfp4(encodeNvfp4(weights, { scales }), "F32")
          : decodeMxfp4(encodeMxfp4(weights, { scales }), "F32");
      for (const weights of [gauss, heavyTailed]) {
        const [plain, searched] = [decoded(weights, "compressed-tensors"), decoded(weights, "search")];
        const errorOf = (bytes: Uint8Array, begin = 0, end = weights.length) =>
          relativeSquaredError(weights.subarray(begin, end), bytes.subarray(begin * 4, end * 4));
        expect(errorOf(searched) / errorOf(plain)).toBeLessThan(largestRatio);
        for (let begin = 0; begin < weights.length; begin += groupSize) {
          const end = begin + groupSize;
          // Errors are compared in float32.
          expect(errorOf(searched, begin, end)).toBeLessThanOrEqual(errorOf(plain, begin, end) * 1.00001);
        }
      }
    },
  );
});
