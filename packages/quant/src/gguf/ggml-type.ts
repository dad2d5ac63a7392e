import { convert, type Dtype, toFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeQ4_1, decodeQ5_1 } from "./affine-blocks.ts";
import { decodeIQ4_NL, decodeIQ4_XS, decodeMXFP4, decodeNVFP4 } from "./codebook-blocks.ts";
import {
  decodeIQ1_M,
  decodeIQ1_S,
  decodeIQ2_S,
  decodeIQ2_XS,
  decodeIQ2_XXS,
  decodeIQ3_S,
  decodeIQ3_XXS,
} from "./grid-blocks.ts";
import { decodeQ2_K, decodeQ3_K, decodeQ5_K, decodeQ8_K } from "./k-blocks.ts";
import { decodeQ4_0, encodeQ4_0 } from "./q4-0.ts";
import { decodeQ4_K, encodeQ4_K } from "./q4-k.ts";
import { decodeQ5_0, encodeQ5_0 } from "./q5-0.ts";
import { decodeQ6_K, encodeQ6_K } from "./q6-k.ts";
import { decodeQ8_0, encodeQ8_0 } from "./q8-0.ts";
import { decodeTQ1_0, decodeTQ2_0 } from "./ternary-blocks.ts";

/** Of each element type of GGUF: its number in the file, weights in a block, bytes of a block. */
const geometry = {
  F32: [0, 1, 4],
  F16: [1, 1, 2],
  Q4_0: [2, 32, 18],
  Q4_1: [3, 32, 20],
  Q5_0: [6, 32, 22],
  Q5_1: [7, 32, 24],
  Q8_0: [8, 32, 34],
  Q8_1: [9, 32, 36],
  Q2_K: [10, 256, 84],
  Q3_K: [11, 256, 110],
  Q4_K: [12, 256, 144],
  Q5_K: [13, 256, 176],
  Q6_K: [14, 256, 210],
  Q8_K: [15, 256, 292],
  IQ2_XXS: [16, 256, 66],
  IQ2_XS: [17, 256, 74],
  IQ3_XXS: [18, 256, 98],
  IQ1_S: [19, 256, 50],
  IQ4_NL: [20, 32, 18],
  IQ3_S: [21, 256, 110],
  IQ2_S: [22, 256, 82],
  IQ4_XS: [23, 256, 136],
  I8: [24, 1, 1],
  I16: [25, 1, 2],
  I32: [26, 1, 4],
  I64: [27, 1, 8],
  F64: [28, 1, 8],
  IQ1_M: [29, 256, 56],
  BF16: [30, 1, 2],
  TQ1_0: [34, 256, 54],
  TQ2_0: [35, 256, 66],
  MXFP4: [39, 32, 17],
  NVFP4: [40, 64, 36],
  Q1_0: [41, 128, 18],
} as const;

/** Element type of a tensor in a GGUF file, as ggml names it. */
export type GgmlType = keyof typeof geometry;

const typeById = new Map(Object.entries(geometry).map(([name, [id]]) => [id as number, name as GgmlType]));

/** The type of that number; undefined for one that was taken back or is not known yet. */
export function ggmlTypeOf(id: number): GgmlType | undefined {
  return typeById.get(id);
}

export function isGgmlType(name: string): name is GgmlType {
  return Object.hasOwn(geometry, name);
}

export function idOf(type: GgmlType): number {
  return geometry[type][0];
}

/** Weights of a row that share a block; 1 for types without blocks. */
export function blockSizeOf(type: GgmlType): number {
  return geometry[type][1];
}

/** Bytes of `count` weights, a multiple of the block size. */
export function ggmlBytes(type: GgmlType, count: number): number {
  const [, blockSize, blockBytes] = geometry[type];
  return (count / blockSize) * blockBytes;
}

type Encode = (weights: Float32Array) => Uint8Array;
type Decode = (bytes: Uint8Array) => Float32Array;

const encoders = {
  F32: asDtype("F32"),
  F16: asDtype("F16"),
  BF16: asDtype("BF16"),
  Q4_0: encodeQ4_0,
  Q5_0: encodeQ5_0,
  Q8_0: encodeQ8_0,
  Q4_K: encodeQ4_K,
  Q6_K: encodeQ6_K,
} as const satisfies Partial<Record<GgmlType, Encode>>;

const decoders = {
  F32: ofDtype("F32"),
  F16: ofDtype("F16"),
  BF16: ofDtype("BF16"),
  F64: ofDtype("F64"),
  Q4_0: decodeQ4_0,
  Q4_1: decodeQ4_1,
  Q5_0: decodeQ5_0,
  Q5_1: decodeQ5_1,
  Q8_0: decodeQ8_0,
  Q2_K: decodeQ2_K,
  Q3_K: decodeQ3_K,
  Q4_K: decodeQ4_K,
  Q5_K: decodeQ5_K,
  Q6_K: decodeQ6_K,
  Q8_K: decodeQ8_K,
  IQ1_S: decodeIQ1_S,
  IQ1_M: decodeIQ1_M,
  IQ2_XXS: decodeIQ2_XXS,
  IQ2_XS: decodeIQ2_XS,
  IQ2_S: decodeIQ2_S,
  IQ3_XXS: decodeIQ3_XXS,
  IQ3_S: decodeIQ3_S,
  IQ4_NL: decodeIQ4_NL,
  IQ4_XS: decodeIQ4_XS,
  TQ1_0: decodeTQ1_0,
  TQ2_0: decodeTQ2_0,
  MXFP4: decodeMXFP4,
  NVFP4: decodeNVFP4,
} as const satisfies Partial<Record<GgmlType, Decode>>;

/** Types that can be written and read, not only recognized. */
export type EncodableType = keyof typeof encoders;

function asDtype(dtype: "F32" | "F16" | "BF16"): Encode {
  return (weights) =>
    convert(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength), "F32", dtype);
}

function ofDtype(dtype: Dtype): Decode {
  return (bytes) => toFloat32(bytes, dtype);
}

/**
 * Weights in blocks of a type, as a GGUF file stores them.
 * @param weights whole rows, each a multiple of the block size long
 * @throws {RangeError} where the blocks do not come out even, or a scale is too large for F16
 */
export function encodeGgml(type: EncodableType, weights: Float32Array): Uint8Array {
  const size = blockSizeOf(type);
  if (weights.length % size !== 0) {
    throw new RangeError(`blocks of ${size} weights, which ${type} has, do not divide ${weights.length}`);
  }
  return encoders[type](weights);
}

/**
 * The weights that blocks of a type stand for.
 * @throws {RangeError} for a type that has no decoder here, listing those that have, or for a part of a block
 */
export function decodeGgml(type: GgmlType, bytes: Uint8Array): Float32Array {
  if (!isDecodable(type)) {
    throw new RangeError(`${type} cannot be decoded: ${Object.keys(decoders).join(", ")} can`);
  }
  const blockBytes = geometry[type][2];
  if (bytes.length % blockBytes !== 0) {
    throw new RangeError(`${bytes.length} bytes are no whole number of ${type}'s blocks of ${blockBytes}`);
  }
  return decoders[type](bytes);
}

export function isDecodable(type: GgmlType): type is keyof typeof decoders {
  return Object.hasOwn(decoders, type);
}
