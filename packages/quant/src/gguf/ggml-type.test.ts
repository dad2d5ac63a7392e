import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { bell, fromBase64, gaussian, golden, student5 } from "../test-support/inputs.ts";
import {
  blockSizeOf,
  decodeGgml,
  type EncodableType,
  encodeGgml,
  type GgmlType,
  ggmlBytes,
  idOf,
} from "./ggml-type.ts";

/** Goldens by tools/reference/quant_gguf.py. */
interface GgufGolden {
  readonly encoded: Readonly<Record<string, string>>;
  readonly decoded: Readonly<Record<string, string>>;
  readonly ggmlErrors: Readonly<Record<"bell" | "cubed", Readonly<Record<string, number>>>>;
}

const reference = golden<GgufGolden>("gguf");

/** `encoder_input` of the script. */
function encoderInput(): Float32Array {
  const weights = bell(64 * 256, 11);
  weights.fill(0, 0, 32);
  weights.fill(-0.75, 32, 64);
  weights.set(
    Float32Array.from({ length: 32 }, (_, i) => (i - 16) / 2),
    64,
  );
  weights.set(
    weights.subarray(96, 128).map((weight) => weight * 2 ** -20),
    96,
  );
  return weights;
}

/** Upper bytes of F16 numbers in a block, where they are others than the second. IQ1_M has the four highest bits of its own in the last. */
const halfPlaces: Partial<Record<GgmlType, readonly number[]>> = {
  F32: [3],
  F64: [7],
  Q4_1: [1, 3],
  Q5_1: [1, 3],
  Q2_K: [81, 83],
  Q3_K: [109],
  Q4_K: [1, 3],
  Q5_K: [1, 3],
  Q6_K: [209],
  TQ1_0: [53],
  TQ2_0: [65],
  IQ1_M: [55],
  MXFP4: [0],
  NVFP4: [],
};

/** `pattern_blocks` of the script. */
function patternBlocks(type: GgmlType, count: number): Uint8Array {
  const size = ggmlBytes(type, blockSizeOf(type));
  let state = idOf(type) + 1;
  const blocks = Uint8Array.from({ length: count * size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  for (let block = 0; block < count; block++) {
    for (const place of halfPlaces[type] ?? [1])
      blocks[block * size + place] = (blocks[block * size + place] as number) & 0xbf;
  }
  return blocks;
}

function squaredError(weights: Float32Array, decoded: Float32Array): number {
  let error = 0;
  let energy = 0;
  for (const [i, weight] of weights.entries()) {
    error += (weight - (decoded[i] as number)) ** 2;
    energy += weight ** 2;
  }
  return error / energy;
}

function errorOf(type: EncodableType, weights: Float32Array): number {
  return squaredError(weights, decodeGgml(type, encodeGgml(type, weights)));
}

describe("blocks of GGUF", () => {
  it.each(Object.entries(reference.encoded))(
    "of %s are those of the gguf package, byte for byte",
    (type, bytes) => {
      expect(encodeGgml(type as EncodableType, encoderInput())).toEqual(fromBase64(bytes));
    },
  );

  it.each(Object.keys(reference.decoded))("of %s decode to the bits that the gguf package gives", (type) => {
    const weights = decodeGgml(type as GgmlType, patternBlocks(type as GgmlType, 64));
    const hash = createHash("sha256").update(new Uint8Array(weights.buffer)).digest("hex");
    expect(hash).toBe(reference.decoded[type]);
  });

  it("of Q8_K are bytes times one number, which the gguf package leaves out", () => {
    const block = new Uint8Array(292);
    new DataView(block.buffer).setFloat32(0, 0.1, true);
    block.set([1, 127, 128, 255], 4);
    const step = Math.fround(0.1);
    const expected = [step, 127 * step, -128 * step, -step, 0].map(Math.fround);
    expect([...decodeGgml("Q8_K", block).subarray(0, 5)]).toEqual(expected);
  });

  it.each(["Q4_K", "Q6_K"] as const)(
    "of %s are as near the weights as those of ggml's own encoder",
    (type) => {
      const normal = bell(64 * 256, 12);
      const heavy = normal.map((weight) => weight * weight * weight);
      expect(errorOf(type, normal)).toBeLessThan((reference.ggmlErrors.bell[type] as number) * 1.001);
      expect(errorOf(type, heavy)).toBeLessThan((reference.ggmlErrors.cubed[type] as number) * 1.001);
    },
  );

  it("of Q4_K are nearer the weights than a plain division of each group's range", () => {
    for (const weights of [gaussian(64 * 256, 1), student5(64 * 256, 2)]) {
      expect(errorOf("Q4_K", weights) / squaredError(weights, rangesDivided(weights))).toBeLessThan(0.9);
    }
  });

  it("hold what cannot be told apart from zero as zeros", () => {
    for (const type of ["Q4_0", "Q5_0", "Q8_0", "Q4_K", "Q6_K"] as const) {
      const zeros = new Float32Array(512);
      expect(decodeGgml(type, encodeGgml(type, zeros)).map(Math.abs)).toEqual(zeros);
      const tiny = zeros.map((_, i) => (i % 7) * 1e-44);
      expect(decodeGgml(type, encodeGgml(type, tiny)).map(Math.abs)).toEqual(zeros);
    }
  });

  it("of Q4_K hold groups of one value, of one sign and of a lone outlier", () => {
    const weights = new Float32Array(256);
    weights.fill(-0.5, 0, 32);
    weights.fill(0.5, 32, 64);
    for (let i = 64; i < 96; i++) weights[i] = 1 + i / 1000;
    for (let i = 96; i < 128; i++) weights[i] = -1 - i / 1000;
    weights[130] = 3;
    weights[170] = -3;
    const decoded = decodeGgml("Q4_K", encodeGgml("Q4_K", weights));
    // Scales and offsets have 63 steps up to those of the largest group, codes 15.
    for (const [i, weight] of weights.entries())
      expect(Math.abs((decoded[i] as number) - weight)).toBeLessThan(0.12);
  });

  it("are refused where they do not come out even, have no decoder, or need a scale past F16", () => {
    expect(() => encodeGgml("Q4_K", new Float32Array(128))).toThrow("blocks of 256 weights");
    expect(() => decodeGgml("Q8_0", new Uint8Array(33))).toThrow("no whole number of Q8_0's blocks of 34");
    expect(() => decodeGgml("Q8_1", new Uint8Array(36))).toThrow("Q8_1 cannot be decoded: F32, F16");
    expect(() => encodeGgml("Q4_0", new Float32Array(32).fill(1e6))).toThrow("F16 ends at 65504");
  });
});

/** Weights as (max − min) / 15 steps above the group's minimum make them, scales and minima unrounded: kinder than Q4_K can be. */
function rangesDivided(weights: Float32Array): Float32Array {
  const decoded = new Float32Array(weights.length);
  for (let begin = 0; begin < weights.length; begin += 32) {
    const group = weights.subarray(begin, begin + 32);
    const min = Math.min(0, ...group);
    const step = (Math.max(...group) - min) / 15;
    for (const [i, weight] of group.entries())
      decoded[begin + i] = Math.round((weight - min) / step) * step + min;
  }
  return decoded;
}
