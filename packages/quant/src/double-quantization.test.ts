import { createHash } from "node:crypto";
import {
  type BlockSize,
  decodeBlockwise,
  dequantizeScales,
  dynamicMap,
  encodeBlockwise,
  encodeNestedBlockwise,
  type FloatDtype,
  fp4,
  nf4,
  quantizeScales,
  unnested,
} from "@vlmopt/quant";
import { describe, expect, it } from "vitest";
import { bellOf, floatsFromBase64, fromBase64, golden } from "./test-support/inputs.ts";

interface Golden {
  readonly dynamicMap: string;
  readonly random: readonly {
    kind: "nf4" | "fp4";
    dtype: FloatDtype;
    blockSize: BlockSize;
    count: number;
    seed: number;
    absmax: string;
    nested: { codes: string; absmax: string; offset: string };
    nestedDecoded: Record<FloatDtype, string>;
  }[];
}

const bitsandbytes = golden<Golden>("bitsandbytes");
const codebooks = { nf4, fp4 };

describe("double quantization", () => {
  it("has bitsandbytes' dynamic map", () => {
    expect(dynamicMap).toEqual(floatsFromBase64(bitsandbytes.dynamicMap));
  });

  it.each(bitsandbytes.random)(
    "gives bitsandbytes' bytes for the scales of $dtype as $kind in blocks of $blockSize",
    ({ absmax, nested }) => {
      const offset = floatsFromBase64(nested.offset)[0] as number;
      const scales = floatsFromBase64(absmax);
      const quantized = quantizeScales(scales, offset);
      expect(quantized.absmax).toEqual(floatsFromBase64(nested.absmax));
      expect(quantized.codes).toEqual(fromBase64(nested.codes));
      expect(Math.abs(quantizeScales(scales).offset - offset)).toBeLessThanOrEqual(offset * 2 ** -22);
    },
  );

  it.each(bitsandbytes.random)(
    "gives bitsandbytes' $dtype back from $kind in blocks of $blockSize",
    ({ kind, dtype, blockSize, count, seed, nested, nestedDecoded }) => {
      const encoded = encodeBlockwise(bellOf(dtype, count, seed), codebooks[kind], { blockSize });
      const absmax = quantizeScales(encoded.absmax, floatsFromBase64(nested.offset)[0]);
      for (const target of ["F32", "F16", "BF16"] as const) {
        const decoded = decodeBlockwise({ ...encoded, absmax: dequantizeScales(absmax) }, target);
        expect(createHash("sha256").update(decoded).digest("hex")).toBe(nestedDecoded[target]);
      }
    },
  );

  it("keeps the indices of single quantization unless it searches", () => {
    const weights = bellOf("BF16", 5000, 3);
    expect(encodeNestedBlockwise(weights, nf4).codes).toEqual(encodeBlockwise(weights, nf4).codes);
  });

  it("takes a tensor of one scale, of none, and of equal ones", () => {
    expect(dequantizeScales(quantizeScales(Float32Array.of(0.25)))).toEqual(Float32Array.of(0.25));
    expect(dequantizeScales(quantizeScales(new Float32Array(0)))).toEqual(new Float32Array(0));
    const zeros = encodeNestedBlockwise(new Float32Array(64 * 300), nf4, { scales: "search" });
    expect(decodeBlockwise(unnested(zeros), "F32").every((byte) => byte === 0)).toBe(true);
  });
});
