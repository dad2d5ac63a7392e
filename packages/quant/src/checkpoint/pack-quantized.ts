import type { Stage, TensorOutput, TensorSpec } from "@vlmopt/tensor-io";
import { fromFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeInt4, encodeInt4 } from "../int4.ts";
import type { FloatDtype } from "../weights.ts";
import type { PackQuantized } from "./scheme.ts";
import type { Measure } from "./squared-error.ts";
import { bytesOf, groupSizeOf, moduleOf } from "./weight-tensors.ts";

/**
 * compressed-tensors `pack-quantized` (0.20, `PackedQuantizationCompressor`): of `X.weight` [out, in]
 * - `X.weight_packed` I32 [out, in / 8], numbers of 4 bits from the lowest on;
 * - `X.weight_scale` [out, in / group] in the weight's dtype;
 * - `X.weight_zero_point` I32 [ceil(out / 8), in / group], eight rows a word, where there are zero points;
 * - `X.weight_shape` I64 [2].
 */
export function packQuantizedOutputs(tensor: TensorSpec, scheme: PackQuantized): TensorOutput[] {
  const [rows, columns] = tensor.shape as [number, number];
  const groups = columns / groupSizeOf(scheme, columns);
  const name = `${moduleOf(tensor.name)}.weight`;
  const zeroPoint: TensorOutput = {
    name: `${name}_zero_point`,
    dtype: "I32",
    shape: [Math.ceil(rows / 8), groups],
  };
  return [
    { name: `${name}_packed`, dtype: "I32", shape: [rows, columns / 8] },
    { name: `${name}_scale`, dtype: tensor.dtype, shape: [rows, groups] },
    ...(scheme.zeroPoints ? [zeroPoint] : []),
    {
      name: `${name}_shape`,
      dtype: "I64",
      shape: [2],
      bytes: bytesOf(BigInt64Array.of(BigInt(rows), BigInt(columns))),
    },
  ];
}

export function packQuantizedStage(tensor: TensorSpec, scheme: PackQuantized, measure: Measure): Stage {
  const [rows, columns] = tensor.shape as [number, number];
  const dtype = tensor.dtype as FloatDtype;
  const groupSize = groupSizeOf(scheme, columns);
  const zeroPoints = new Uint8Array((rows * columns) / groupSize);
  const none = new Uint8Array(0);
  return {
    push(bytes, firstRow) {
      const weights = { dtype, bytes };
      const encoded = encodeInt4(weights, {
        groupSize,
        zeroPoints: scheme.zeroPoints ? "whole" : "none",
        scales: scheme.scales,
      });
      measure(weights, () => decodeInt4(encoded, "F32"));
      const parts = [encoded.codes, fromFloat32(encoded.scales, dtype)];
      if (!scheme.zeroPoints) return parts;
      zeroPoints.set(encoded.zeroPoints as Uint8Array, (firstRow * columns) / groupSize);
      return [...parts, none];
    },
    // Words of zero points span eight rows, so they wait for the last.
    finish: () => (scheme.zeroPoints ? [none, none, bytesOf(packRows(zeroPoints, rows))] : [none, none]),
  };
}

/** Numbers of 0…15, [rows, columns], as words of eight rows each: Uint32 [ceil(rows / 8), columns]. */
export function packRows(numbers: Uint8Array, rows: number): Uint32Array {
  const columns = numbers.length / rows;
  const words = new Uint32Array(Math.ceil(rows / 8) * columns);
  for (let row = 0; row < rows; row++) {
    const start = (row >> 3) * columns;
    for (let column = 0; column < columns; column++) {
      const number = (numbers[row * columns + column] as number) << (4 * (row & 7));
      words[start + column] = (words[start + column] as number) | number;
    }
  }
  return words;
}

/** The inverse of `packRows`. */
export function unpackRows(words: Uint32Array, rows: number): Uint8Array {
  const columns = words.length / Math.ceil(rows / 8);
  return Uint8Array.from({ length: rows * columns }, (_, i) => {
    const row = Math.floor(i / columns);
    return ((words[(row >> 3) * columns + (i % columns)] as number) >>> (4 * (row & 7))) & 15;
  });
}
