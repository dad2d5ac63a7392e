import type { BlockSize } from "../blockwise.ts";

/** compressed-tensors `pack-quantized`, W4A16: what vLLM and transformers load, and MatMulNBits' bytes. */
export interface PackQuantized {
  readonly format: "pack-quantized";
  /** Weights of a row under one scale; `row` for one scale a row. */
  readonly groupSize: number | "row";
  readonly zeroPoints: boolean;
  /** See `Int4Options`. */
  readonly scales: "compressed-tensors" | "onnxruntime" | "search" | "hqq";
}

/** compressed-tensors `int-quantized`, W8A16: a signed byte a weight. */
export interface IntQuantized {
  readonly format: "int-quantized";
  readonly groupSize: number | "row";
  /** See `Int8Options`. */
  readonly scales: "absmax" | "compressed-tensors";
}

/** bitsandbytes' 4-bit weights. */
export interface Bitsandbytes4Bit {
  readonly format: "bitsandbytes";
  readonly codebook: "nf4" | "fp4";
  readonly blockSize: BlockSize;
  readonly doubleQuantization: boolean;
  /** See `BlockwiseOptions`. */
  readonly scales: "absmax" | "search";
}

/** What the libraries of GPTQ (its first format, nothing reordered) and AWQ (`gemm`) load: int4 with zero points, input features first. */
export interface InputMajor {
  readonly format: "gptq" | "awq";
  readonly groupSize: number | "row";
  /** See `Int4Options`. */
  readonly scales: "compressed-tensors" | "search" | "hqq";
}

/** compressed-tensors' NVFP4: 4-bit floats in groups of 16, whose scales are 8-bit floats. */
export interface Nvfp4Packed {
  readonly format: "nvfp4-pack-quantized";
  /** See `Nvfp4Options`. */
  readonly scales: "compressed-tensors" | "search";
}

/** compressed-tensors' MXFP4: 4-bit floats in groups of 32, whose scales are powers of two. */
export interface Mxfp4Packed {
  readonly format: "mxfp4-pack-quantized";
  /** See `Mxfp4Options`. */
  readonly scales: "compressed-tensors" | "search";
}

export type E2m1Packed = Nvfp4Packed | Mxfp4Packed;

/** How one weight is stored. */
export type Scheme = PackQuantized | IntQuantized | Bitsandbytes4Bit | InputMajor | E2m1Packed;

/** `fast` rounds to nearest as the format's own library does; `best` searches for the scales of least squared error. */
export type Preset = "fast" | "best";

/** What `schemeNamed` understands. */
export const schemeNames: readonly string[] = [
  "int4-g32",
  "int4-g64",
  "int4-g128",
  "int4-row",
  "int4-g32-zero",
  "int4-g64-zero",
  "int4-g128-zero",
  "int4-row-zero",
  "int8",
  "nf4",
  "nf4-dq",
  "fp4",
  "fp4-dq",
  "gptq",
  "gptq-g32",
  "gptq-g64",
  "awq",
  "awq-g32",
  "awq-g64",
  "nvfp4",
  "mxfp4",
];

/**
 * A scheme by its short name: `int4-g128` (groups of 128; `-zero` for zero points; `int4-row`), `int8`, `nf4`, `nf4-dq` (scales in 8 bits),
 * `fp4`, `fp4-dq`, `gptq` and `awq` (groups of 128; `-g64`, `-row`), `nvfp4`, `mxfp4`.
 * @throws {RangeError} for other names, listing these
 */
export function schemeNamed(name: string, preset: Preset = "best"): Scheme {
  const best = preset === "best";
  const int4 = /^int4-(?:g(\d+)|row)(-zero)?$/.exec(name);
  if (int4 !== null && (int4[1] === undefined || Number(int4[1]) > 0)) {
    const [, size, zero] = int4;
    return {
      format: "pack-quantized",
      groupSize: size === undefined ? "row" : Number(size),
      zeroPoints: zero !== undefined,
      scales: best ? "search" : "compressed-tensors",
    };
  }
  if (name === "int8") {
    return { format: "int-quantized", groupSize: "row", scales: best ? "absmax" : "compressed-tensors" };
  }
  const inputMajor = /^(gptq|awq)(?:-(?:g([1-9]\d*)|row))?$/.exec(name);
  if (inputMajor !== null) {
    return {
      format: inputMajor[1] as "gptq" | "awq",
      groupSize: name.endsWith("-row") ? "row" : Number(inputMajor[2] ?? 128),
      scales: best ? "search" : "compressed-tensors",
    };
  }
  if (name === "nvfp4" || name === "mxfp4")
    return { format: `${name}-pack-quantized`, scales: best ? "search" : "compressed-tensors" };
  const fourBit = /^(nf4|fp4)(-dq)?$/.exec(name);
  if (fourBit === null)
    throw new RangeError(`no scheme is named "${name}": there are ${schemeNames.join(", ")}`);
  return {
    format: "bitsandbytes",
    codebook: fourBit[1] as "nf4" | "fp4",
    blockSize: 64,
    doubleQuantization: fourBit[2] !== undefined,
    scales: best ? "search" : "absmax",
  };
}
