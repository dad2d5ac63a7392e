import { createHash } from "node:crypto";
import type * as quant from "@vlmopt/quant";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadQuant as load } from "./test-support/both-codes.ts";
import { bell, bellOf, floatsFromBase64, fromBase64, golden, patternsBelow } from "./test-support/inputs.ts";

type Dtype = quant.FloatDtype;

interface Encoded {
  readonly kind: "nf4" | "fp4";
  readonly blockSize: quant.BlockSize;
  readonly codes: string;
}

interface Golden {
  readonly exhaustive: readonly (Encoded & { dtype: "F16" | "BF16"; largest: number })[];
  readonly random: readonly (Encoded & {
    dtype: Dtype;
    count: number;
    seed: number;
    absmax: string;
    decoded: Record<Dtype, string>;
  })[];
  readonly edges: readonly (Encoded & { name: string; values: number[]; absmax: string })[];
}

const bitsandbytes = golden<Golden>("bitsandbytes");

afterEach(() => {
  vi.unstubAllEnvs();
});

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

describe.each(["wasm", "plain"])("blockwise encoding by %s code", (code) => {
  it.each(bitsandbytes.exhaustive)(
    "gives bitsandbytes' $kind for every $dtype pattern up to $largest",
    async ({ kind, dtype, largest, codes }) => {
      const { encodeBlockwise, [kind]: codebook } = await load(code);
      const encoded = encodeBlockwise(patternsBelow(dtype, largest, 64), codebook);
      expect(Buffer.compare(encoded.codes, fromBase64(codes))).toBe(0);
    },
  );

  it.each(bitsandbytes.random)(
    "gives bitsandbytes' bytes of $dtype to $kind in blocks of $blockSize, and back",
    async ({ kind, dtype, blockSize, count, seed, codes, absmax, decoded }) => {
      const { decodeBlockwise, encodeBlockwise, [kind]: codebook } = await load(code);
      const encoded = encodeBlockwise(bellOf(dtype, count, seed), codebook, { blockSize });
      expect(encoded.absmax).toEqual(floatsFromBase64(absmax));
      expect(Buffer.compare(encoded.codes, fromBase64(codes))).toBe(0);
      for (const target of ["F32", "F16", "BF16"] as const) {
        expect(sha256(decodeBlockwise(encoded, target))).toBe(decoded[target]);
      }
    },
  );

  it.each(bitsandbytes.edges)(
    "gives bitsandbytes' $kind of $name",
    async ({ kind, values, codes, absmax }) => {
      const { encodeBlockwise, [kind]: codebook } = await load(code);
      const encoded = encodeBlockwise(Float32Array.from(values), codebook, { blockSize: 32 });
      expect(encoded.absmax).toEqual(floatsFromBase64(absmax));
      expect(encoded.codes).toEqual(fromBase64(codes));
    },
  );

  it.each([
    [0, Number.NaN],
    [70, Number.POSITIVE_INFINITY],
    [20_000, Number.NEGATIVE_INFINITY],
    [20_479, Number.NaN],
    [20_482, Number.NaN],
  ])("refuses weight %i for being %d", async (index, value) => {
    const { encodeBlockwise, NonFiniteWeightError, nf4 } = await load(code);
    const weights = bell(20_483, 1);
    weights[index] = value;
    const encode = () => encodeBlockwise(weights, nf4);
    expect(encode).toThrow(NonFiniteWeightError);
    expect(encode).toThrow(`weight ${index} is ${value}`);
  });

  it("takes weights at odd addresses", async () => {
    const { encodeBlockwise, nf4 } = await load(code);
    const { bytes } = bellOf("BF16", 200, 5);
    const moved = new Uint8Array(bytes.length + 1);
    moved.set(bytes, 1);
    expect(encodeBlockwise({ dtype: "BF16", bytes: moved.subarray(1) }, nf4)).toEqual(
      encodeBlockwise({ dtype: "BF16", bytes }, nf4),
    );
  });
});

describe("searching a block's scale", () => {
  it.each(["nf4", "fp4"] as const)("gives the same bits of %s by either code", async (name) => {
    for (const dtype of ["F32", "F16", "BF16"] as const) {
      for (const blockSize of [32, 64, 256, 1024, 4096] as const) {
        const weights = bellOf(dtype, 2 * blockSize + 77, blockSize);
        const wasm = await load("wasm");
        const fast = wasm.encodeBlockwise(weights, wasm[name], { blockSize, scales: "search" });
        const plain = await load("plain");
        expect(plain.encodeBlockwise(weights, plain[name], { blockSize, scales: "search" })).toEqual(fast);
      }
    }
  });

  it.each(["wasm", "plain"])("leaves equal weights intact by %s code", async (code) => {
    const { decodeBlockwise, encodeBlockwise, nf4 } = await load(code);
    for (const weight of [0, 1.3e-38, -0.1, 3.4e38]) {
      const weights = new Float32Array(40).fill(weight);
      const decoded = decodeBlockwise(
        encodeBlockwise(weights, nf4, { blockSize: 32, scales: "search" }),
        "F32",
      );
      expect(new Float32Array(decoded.buffer)).toEqual(weights);
    }
  });
});
