import { fromFloat32, type Stage, type TensorOutput, type TensorSpec } from "@vlmopt/tensor-io";
import { decodeInt8, encodeInt8 } from "../int8.ts";
import type { FloatDtype } from "../weights.ts";
import type { IntQuantized } from "./scheme.ts";
import type { Measure } from "./squared-error.ts";
import { bytesOf, groupSizeOf, moduleOf } from "./weight-tensors.ts";

/**
 * compressed-tensors `int-quantized` (0.20): of `X.weight` [out, in]
 * - `X.weight` I8 [out, in];
 * - `X.weight_scale` [out, in / group] in the weight's dtype.
 */
export function intQuantizedOutputs(tensor: TensorSpec, scheme: IntQuantized): TensorOutput[] {
  const [rows, columns] = tensor.shape as [number, number];
  const name = `${moduleOf(tensor.name)}.weight`;
  return [
    { name, dtype: "I8", shape: tensor.shape },
    { name: `${name}_scale`, dtype: tensor.dtype, shape: [rows, columns / groupSizeOf(scheme, columns)] },
  ];
}

export function intQuantizedStage(tensor: TensorSpec, scheme: IntQuantized, measure: Measure): Stage {
  const dtype = tensor.dtype as FloatDtype;
  const groupSize = groupSizeOf(scheme, tensor.shape[1] ?? 1);
  return {
    push(bytes) {
      const weights = { dtype, bytes };
      const encoded = encodeInt8(weights, { groupSize, scales: scheme.scales });
      measure(weights, () => decodeInt8(encoded, "F32"));
      return [bytesOf(encoded.numbers), fromFloat32(encoded.scales, dtype)];
    },
  };
}
