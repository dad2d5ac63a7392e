import type { Stage } from "@vlmopt/tensor-io";
import { storedPart } from "../checkpoint/stored-part.ts";
import { decodeChunks } from "../decode-chunks.ts";
import { blockSizeOf, decodeGgml, type GgmlType, ggmlBytes } from "../gguf/ggml-type.ts";
import { integersOfBlocks, isIntegerType } from "../gguf/integer-blocks.ts";
import { storedAs } from "../gguf/stored-name.ts";
import type { FloatDtype } from "../weights.ts";
import type { Format } from "./format.ts";
import type { Layout, LoadedWeight } from "./quantized-weight.ts";
import { joinedBytes } from "./weight-tensors.ts";

/**
 * Weights as GGUF files hold them, read alone: blocks of a ggml type, and rows of queries and keys in the order of llama.cpp's rotary embedding.
 * Tensors are U8 [rows, bytes of a row] under names that `storedName` makes.
 */
export const ggmlBlocks: Format = {
  name: "ggml",
  schemes: [],
  parse: () => undefined,
  fit: () => "ggml's blocks are read, and written by quantizeToGguf alone",
  outputs: () => [],
  encode: () => ({ push: () => [] }),
  config: { method: "gguf", settings: () => ({}), write: () => ({ quant_method: "gguf" }) },
  async find(source, { name, dtype, shape }) {
    const stored = dtype === "U8" ? storedAs(name) : undefined;
    if (stored === undefined) return undefined;
    const { weight, type, headDim } = stored;
    const rowBytes = shape.at(-1) ?? 0;
    const columns = (rowBytes / ggmlBytes(type, blockSizeOf(type))) * blockSizeOf(type);
    const isInteger = isIntegerType(type);
    return {
      name: weight,
      weight: {
        shape: [...shape.slice(0, -1), columns],
        dtype: type === "F16" || type === "BF16" ? type : "F32",
        layout: layoutOf(type),
        // Scales lie between the codes.
        beside: isInteger ? { blocks: await storedPart(source, name) } : {},
        settings: { type, ...(headDim === undefined ? {} : { headDim }) },
      },
      parts: [],
    };
  },
  integers(weight) {
    const { type, headDim } = settingsOf(weight);
    if (!isIntegerType(type)) throw new TypeError(`${type} holds no integers under plain scales`);
    const rows = weight.shape[0] ?? 1;
    const ordered = (values: Uint8Array) => inOrder(values, rows, headDim);
    const { scales } = integersOfBlocks(type, ordered(weight.beside.blocks as Uint8Array));
    return {
      scales,
      zeroPoints: undefined,
      codes: (bytes) => integersOfBlocks(type, ordered(bytes)).codes,
    };
  },
  decode: (weight, target) => decoding(weight, target),
};

function layoutOf(type: GgmlType): Layout {
  if (!isIntegerType(type)) return { kind: "other" };
  const layout = { kind: "integers", zeroPoints: false, stored: "otherwise" } as const;
  switch (type) {
    case "Q4_0":
      return { ...layout, bits: 4, groupSize: 32, scaleDtype: "F16" };
    case "Q8_0":
      return { ...layout, bits: 8, groupSize: 32, scaleDtype: "F16" };
    case "Q6_K":
      // A scale is a product of two numbers, which F16 has no room for.
      return { ...layout, bits: 8, groupSize: 16, scaleDtype: "F32" };
  }
}

function settingsOf({ settings }: LoadedWeight): { type: GgmlType; headDim: number | undefined } {
  const headDim = settings?.headDim;
  return { type: settings?.type as GgmlType, headDim: headDim === undefined ? undefined : Number(headDim) };
}

/** Rows as they come, unless those of a head have to be put in order, which takes whole heads. */
function decoding(weight: LoadedWeight, target: FloatDtype): Stage {
  const { type, headDim } = settingsOf(weight);
  const size = blockSizeOf(type);
  const blockBytes = ggmlBytes(type, size);
  const decode = (bytes: Uint8Array) =>
    decodeChunks((bytes.length / blockBytes) * size, size, target, (weights, first, blocks) => {
      weights.set(decodeGgml(type, bytes.subarray(first * blockBytes, (first + blocks) * blockBytes)));
    });
  if (headDim === undefined) return { push: (bytes) => [decode(bytes)] };
  const parts: Uint8Array[] = [];
  return {
    push(bytes) {
      parts.push(bytes.slice());
      return [new Uint8Array(0)];
    },
    finish: () => [decode(inOrder(joinedBytes(parts), weight.shape[0] ?? 1, headDim))],
  };
}

/** Rows 0, 2, 4 … of a head, then 1, 3, 5 …: the inverse of `interleaveHeads`. */
function inOrder(rows: Uint8Array, count: number, headDim: number | undefined): Uint8Array {
  if (headDim === undefined) return rows;
  const rowBytes = rows.length / count;
  const result = new Uint8Array(rows.length);
  const half = headDim / 2;
  for (let row = 0; row < count; row++) {
    const within = row % headDim;
    const to = row - within + (within >> 1) + (within & 1) * half;
    result.set(rows.subarray(row * rowBytes, (row + 1) * rowBytes), to * rowBytes);
  }
  return result;
}
