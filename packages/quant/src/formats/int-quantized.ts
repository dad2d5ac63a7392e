import type { TensorSpec } from "@vlmopt/tensor-io";
import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { storedPart } from "../checkpoint/stored-part.ts";
import type { IntegerWeights } from "../integer-weights.ts";
import type { FloatDtype } from "../weights.ts";
import { compressedTensors, integerGroups } from "./compressed-tensors.ts";
import type { Format, StoredIntegers } from "./format.ts";
import { decodingRows, roundingStage } from "./integer-stages.ts";
import type { IntegerLayout, LoadedWeight } from "./quantized-weight.ts";
import { fittingGroups, type GroupedScheme, groupSizeOf } from "./scheme.ts";
import { companion, moduleOf } from "./weight-tensors.ts";

/** compressed-tensors `int-quantized`, W8A16: a signed byte a weight. */
export interface IntQuantized extends GroupedScheme {
  readonly format: "int-quantized";
  /** See `Int8Options`. */
  readonly scales: "absmax" | "compressed-tensors";
}

/**
 * compressed-tensors `int-quantized` (0.20): of `X.weight` [out, in]
 * - `X.weight` I8 [out, in];
 * - `X.weight_scale` [out, in / group] in the weight's dtype.
 */
export const intQuantized: Format<IntQuantized> = {
  name: "int-quantized",
  schemes: ["int8"],
  parse: (name, preset) =>
    name === "int8"
      ? {
          format: "int-quantized",
          groupSize: "row",
          scales: preset === "best" ? "absmax" : "compressed-tensors",
        }
      : undefined,
  fit: (scheme, [, columns], otherSizes) => fittingGroups(scheme, columns, otherSizes),
  outputs(tensor, scheme) {
    const [rows, columns] = tensor.shape as [number, number];
    const name = `${moduleOf(tensor.name)}.weight`;
    return [
      { name, dtype: "I8", shape: tensor.shape },
      { name: `${name}_scale`, dtype: tensor.dtype, shape: [rows, columns / groupSizeOf(scheme, columns)] },
    ];
  },
  encode(tensor, scheme, how) {
    const groupSize = groupSizeOf(scheme, tensor.shape[1] ?? 1);
    return roundingStage(tensor, { bits: 8, groupSize, scales: scheme.scales }, how, 2, pack);
  },
  pack,
  grid: (tensor, scheme) => ({
    bits: 8,
    groupSize: groupSizeOf(scheme, tensor.shape[1] ?? 1),
    zeroPoints: false,
    lowestZeroPoint: 0,
    scaleDtype: tensor.dtype as FloatDtype,
  }),
  config: {
    ...compressedTensors,
    // Weights of 8 bits are looked for packed into words unless their group says otherwise.
    settings: (scheme) => ({ format: "int-quantized", weights: integerGroups(scheme, 8, true) }),
  },
  async find(source, { name, dtype, shape }) {
    if (!name.endsWith(".weight") || dtype !== "I8") return undefined;
    const scale = companion(source, name, `${name}_scale`);
    return {
      name,
      weight: {
        shape,
        dtype: scale.dtype as FloatDtype,
        layout: {
          kind: "integers",
          bits: 8,
          groupSize: (shape[1] ?? 1) / (scale.shape[1] ?? 1),
          scaleDtype: scale.dtype as FloatDtype,
          zeroPoints: false,
          stored: "signed",
        },
        beside: { scales: await storedPart(source, scale.name) },
      },
      parts: [scale.name],
    };
  },
  integers: storedIntegers,
  decode: (weight, target) => decodingRows(weight, storedIntegers(weight), target),
};

function pack({ codes, scales }: IntegerWeights, { dtype }: TensorSpec): Uint8Array[] {
  return [signFlipped(codes), fromFloat32(scales, dtype as FloatDtype)];
}

function storedIntegers({ layout, beside }: LoadedWeight): StoredIntegers {
  const { scaleDtype } = layout as IntegerLayout;
  return {
    scales: toFloat32(beside.scales as Uint8Array, scaleDtype),
    zeroPoints: undefined,
    codes: signFlipped,
  };
}

/** Signed bytes as codes that are 128 more, and the other way. */
function signFlipped(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte ^ 0x80);
}
