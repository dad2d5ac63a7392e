import type { TensorSpec } from "@vlmopt/tensor-io";
import { fromFloat32, readTensor, toFloat32 } from "@vlmopt/tensor-io/browser";
import { packBits, transposed, unpackBits, wordsFor } from "../bit-packing.ts";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import { storedPart } from "../checkpoint/stored-part.ts";
import type { IntegerWeights } from "../integer-weights.ts";
import type { FloatDtype } from "../weights.ts";
import { compressedTensors, integerGroups } from "./compressed-tensors.ts";
import type { Format, StoredIntegers } from "./format.ts";
import { decodingRows, roundingStage } from "./integer-stages.ts";
import type { IntegerLayout, LoadedWeight } from "./quantized-weight.ts";
import { fittingGroups, type GroupedScheme, groupSizeOf } from "./scheme.ts";
import { bytesOf, companion, moduleOf, wordsOf } from "./weight-tensors.ts";

/** compressed-tensors `pack-quantized`, W2A16 to W8A16: what vLLM (of 4 and 8 bits) and transformers load. */
export interface PackQuantized extends GroupedScheme {
  readonly format: "pack-quantized";
  readonly bits: IntegerWeights["bits"];
  readonly zeroPoints: boolean;
  /** See `RoundingOptions`. */
  readonly scales: "compressed-tensors" | "search" | "hqq" | "absmax";
}

/**
 * compressed-tensors `pack-quantized` (0.20, `PackedQuantizationCompressor`): of `X.weight` [out, in]
 * - `X.weight_packed` I32 [out, ceil(in · bits / 32)], numbers from the lowest bit on;
 * - `X.weight_scale` [out, in / group] in the weight's dtype;
 * - `X.weight_zero_point` I32 [ceil(out · bits / 32), in / group], packed down the rows, where there are zero points;
 * - `X.weight_shape` I64 [2].
 */
export const packQuantized: Format<PackQuantized> = {
  name: "pack-quantized",
  schemes: [
    ...["int4-g32", "int4-g64", "int4-g128", "int4-row", "int4-g128-zero"],
    ...["int3-g64", "int3-g128", "int2-g32", "int2-g64", "int8-g128"],
  ],
  parse(name, preset) {
    const [, bits, size, zero] = /^int([2348])-(g[1-9]\d*|row)(-zero)?$/.exec(name) ?? [];
    if (size === undefined) return undefined;
    return {
      format: "pack-quantized",
      bits: Number(bits) as PackQuantized["bits"],
      groupSize: size === "row" ? "row" : Number(size.slice(1)),
      zeroPoints: zero !== undefined,
      scales: preset === "best" ? "search" : "compressed-tensors",
    };
  },
  fit: (scheme, [, columns], otherSizes) => fittingGroups(scheme, columns, otherSizes),
  outputs(tensor, scheme) {
    const [rows, columns] = tensor.shape as [number, number];
    const groups = columns / groupSizeOf(scheme, columns);
    const name = `${moduleOf(tensor.name)}.weight`;
    const shape = bytesOf(BigInt64Array.of(BigInt(rows), BigInt(columns)));
    return [
      { name: `${name}_packed`, dtype: "I32", shape: [rows, wordsFor(columns, scheme.bits)] },
      { name: `${name}_scale`, dtype: tensor.dtype, shape: [rows, groups] },
      ...(scheme.zeroPoints
        ? [
            {
              name: `${name}_zero_point`,
              dtype: "I32",
              shape: [wordsFor(rows, scheme.bits), groups],
            } as const,
          ]
        : []),
      { name: `${name}_shape`, dtype: "I64", shape: [2], bytes: shape },
    ];
  },
  encode(tensor, scheme, how) {
    const { bits, zeroPoints, scales } = scheme;
    const options = { bits, groupSize: groupSizeOf(scheme, tensor.shape[1] ?? 1), zeroPoints, scales };
    return roundingStage(tensor, options, how, zeroPoints ? 3 : 2, pack);
  },
  pack,
  grid: (tensor, scheme) => ({
    bits: scheme.bits,
    groupSize: groupSizeOf(scheme, tensor.shape[1] ?? 1),
    zeroPoints: scheme.zeroPoints,
    lowestZeroPoint: 0,
    scaleDtype: tensor.dtype as FloatDtype,
  }),
  config: {
    ...compressedTensors,
    settings: ({ bits, zeroPoints, ...scheme }) => ({
      format: "pack-quantized",
      weights: integerGroups(scheme, bits, !zeroPoints),
    }),
  },
  async find(source, { name, dtype, shape }) {
    if (!name.endsWith(".weight_packed") || dtype !== "I32" || shape.length !== 2) return undefined;
    const weightName = name.replace(/_packed$/, "");
    const scale = companion(source, name, `${weightName}_scale`);
    const zeroPoint = source.tensors.get(`${weightName}_zero_point`);
    const shapeName = companion(source, name, `${weightName}_shape`).name;
    const sizes = new BigInt64Array((await readTensor(source, shapeName)).slice().buffer);
    const [rows, columns] = [Number(sizes[0]), Number(sizes[1])];
    const words = shape[1] as number;
    const bits = ([2, 3, 4, 8] as const).find((width) => wordsFor(columns, width) === words);
    if (bits === undefined || rows !== shape[0]) {
      throw new QuantizationError(
        `${name} of shape [${shape}] does not hold [${rows}, ${columns}] numbers of 2, 3, 4 or 8 bits: other widths are not read`,
      );
    }
    return {
      name: weightName,
      weight: {
        shape: [rows, columns],
        dtype: scale.dtype as FloatDtype,
        layout: {
          kind: "integers",
          bits,
          groupSize: columns / (scale.shape[1] ?? 1),
          scaleDtype: scale.dtype as FloatDtype,
          zeroPoints: zeroPoint !== undefined,
          stored: (columns * bits) % 32 === 0 ? "packed" : "otherwise",
        },
        beside: {
          scales: await storedPart(source, scale.name),
          ...(zeroPoint === undefined ? {} : { zeroPoints: await storedPart(source, zeroPoint.name) }),
        },
      },
      parts: [scale.name, shapeName, ...(zeroPoint === undefined ? [] : [zeroPoint.name])],
    };
  },
  integers: storedIntegers,
  decode: (weight, target) => decodingRows(weight, storedIntegers(weight), target),
};

function pack(
  { bits, rows, columns, groupSize, codes, scales, zeroPoints }: IntegerWeights,
  tensor: TensorSpec,
): Uint8Array[] {
  return [
    bytesOf(packBits(codes, columns, bits)),
    fromFloat32(scales, tensor.dtype as FloatDtype),
    ...(zeroPoints === undefined ? [] : [bytesOf(packRows(zeroPoints, rows, columns / groupSize, bits))]),
  ];
}

function storedIntegers({ shape, layout, beside }: LoadedWeight): StoredIntegers {
  const [rows, columns] = shape as [number, number];
  const { bits, groupSize, scaleDtype } = layout as IntegerLayout;
  return {
    scales: toFloat32(beside.scales as Uint8Array, scaleDtype),
    zeroPoints: beside.zeroPoints && unpackRows(wordsOf(beside.zeroPoints), rows, columns / groupSize, bits),
    codes: (bytes) => unpackBits(wordsOf(bytes), columns, bits),
  };
}

/** Zero points `[rows, groups]` as words of several rows each: Uint32 [ceil(rows / 8), groups]. */
function packRows(zeroPoints: Uint8Array, rows: number, groups: number, bits: number): Uint32Array {
  const words = packBits(transposed(zeroPoints, rows, groups), rows, bits);
  return transposed(words, groups, words.length / groups);
}

/** The inverse of `packRows`. */
function unpackRows(words: Uint32Array, rows: number, groups: number, bits: number): Uint8Array {
  return transposed(unpackBits(transposed(words, words.length / groups, groups), rows, bits), groups, rows);
}
