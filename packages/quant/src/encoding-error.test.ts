import {
  type BlockwiseOptions,
  type Codebook,
  decodeBlockwise,
  decodeInt4,
  encodeBlockwise,
  encodeInt4,
  encodeNestedBlockwise,
  fp4,
  type Int4Options,
  nf4,
  unnested,
} from "@vlmopt/quant";
import { describe, expect, it } from "vitest";
import { gaussian, relativeSquaredError, student5 } from "./test-support/inputs.ts";

const gauss = gaussian(256 * 1024, 1);
const heavyTailed = student5(256 * 1024, 2);

function blockwiseError(weights: Float32Array, codebook: Codebook, options: BlockwiseOptions = {}): number {
  return relativeSquaredError(weights, decodeBlockwise(encodeBlockwise(weights, codebook, options), "F32"));
}

function int4Error(weights: Float32Array, options: Omit<Int4Options, "groupSize">, groupSize = 64): number {
  return relativeSquaredError(weights, decodeInt4(encodeInt4(weights, { groupSize, ...options }), "F32"));
}

// What others reach with the same bytes: relative squared errors by float64 models in NumPy of round-to-nearest and of the best of 41
// trial scales (15 with a zero point), in groups of 64. A Gaussian sample of this size is within 1 % of them, a t(5) sample within 4 %.
describe("relative squared error in groups of 64", () => {
  it("of NF4 is that of bitsandbytes", () => {
    expect(Math.abs(blockwiseError(gauss, nf4) / 0.00846 - 1)).toBeLessThan(0.01);
    expect(Math.abs(blockwiseError(heavyTailed, nf4) / 0.0111 - 1)).toBeLessThan(0.04);
  });

  it("of NF4 with a search is that of 41 trials, 11 to 14 % less", () => {
    expect(blockwiseError(gauss, nf4, { scales: "search" })).toBeLessThan(0.00725 * 1.005);
    expect(blockwiseError(gauss, nf4, { scales: "search" }) / blockwiseError(gauss, nf4)).toBeLessThan(0.86);
    expect(
      blockwiseError(heavyTailed, nf4, { scales: "search" }) / blockwiseError(heavyTailed, nf4),
    ).toBeLessThan(0.895);
  });

  it("of FP4 with a search is that of 41 trials", () => {
    expect(Math.abs(blockwiseError(gauss, fp4) / 0.0149 - 1)).toBeLessThan(0.01);
    expect(blockwiseError(gauss, fp4, { scales: "search" })).toBeLessThan(0.0127 * 1.005);
  });

  it("of int4 is that of either rule", () => {
    expect(Math.abs(int4Error(gauss, {}) / 0.01065 - 1)).toBeLessThan(0.01);
    expect(Math.abs(int4Error(gauss, { scales: "onnxruntime" }) / 0.00902 - 1)).toBeLessThan(0.01);
    expect(Math.abs(int4Error(gauss, { zeroPoints: "whole" }) / 0.00831 - 1)).toBeLessThan(0.01);
  });

  it("of int4 with a search is that of 41 trials, also for scales in 16 bits", () => {
    expect(int4Error(gauss, { scales: "search" })).toBeLessThan(0.00807 * 1.005);
    expect(int4Error(gauss, { scales: "search", scaleDtype: "BF16" })).toBeLessThan(0.00807 * 1.005);
    expect(
      int4Error(heavyTailed, { scales: "search" }) / int4Error(heavyTailed, { scales: "onnxruntime" }),
    ).toBeLessThan(0.91);
  });

  it("of int4 with a zero point and a search is that of 15 trials, and less than HQQ's where zero points are not whole", () => {
    expect(int4Error(gauss, { zeroPoints: "whole", scales: "search" })).toBeLessThan(0.00756 * 1.005);
    expect(int4Error(gauss, { zeroPoints: "float", scales: "search" })).toBeLessThan(0.0074);
    expect(int4Error(heavyTailed, { zeroPoints: "float", scales: "search" })).toBeLessThan(0.01116);
  });
});

describe("searching", () => {
  it("never errs more than round-to-nearest, whatever the group", () => {
    for (const weights of [gauss, heavyTailed]) {
      for (const blockSize of [32, 512, 4096] as const)
        expect(blockwiseError(weights, nf4, { blockSize, scales: "search" })).toBeLessThan(
          blockwiseError(weights, nf4, { blockSize }),
        );
      for (const groupSize of [16, 1024, 16384])
        expect(int4Error(weights, { scales: "search" }, groupSize)).toBeLessThan(
          int4Error(weights, { scales: "onnxruntime" }, groupSize),
        );
    }
  });

  it("chooses indices against the scales that double quantization will give back", () => {
    const nested = (weights: Float32Array, options: BlockwiseOptions) =>
      relativeSquaredError(
        weights,
        decodeBlockwise(unnested(encodeNestedBlockwise(weights, nf4, options)), "F32"),
      );
    expect(nested(gauss, { scales: "search" })).toBeLessThan(0.00725 * 1.005);
    const decodedByAbsmax = encodeNestedBlockwise(heavyTailed, nf4);
    const againstDecoded = encodeBlockwise(heavyTailed, nf4, { scales: unnested(decodedByAbsmax).absmax });
    expect(relativeSquaredError(heavyTailed, decodeBlockwise(againstDecoded, "F32"))).toBeLessThan(
      nested(heavyTailed, {}),
    );
  });
});
