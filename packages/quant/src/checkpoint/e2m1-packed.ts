import type { Stage, TensorOutput, TensorSpec } from "@vlmopt/tensor-io";
import { byteLengthOf } from "@vlmopt/tensor-io/browser";
import { largestOf } from "../largest-magnitude.ts";
import { decodeMxfp4, encodeMxfp4, MXFP4_GROUP_SIZE } from "../mxfp4.ts";
import { decodeNvfp4, encodeNvfp4, NVFP4_GROUP_SIZE, nvfp4GlobalScale } from "../nvfp4.ts";
import type { FloatDtype } from "../weights.ts";
import type { E2m1Packed } from "./scheme.ts";
import type { Measure } from "./squared-error.ts";
import { bytesOf, moduleOf } from "./weight-tensors.ts";

/** Weights of a row under one scale. */
export function e2m1GroupSize({ format }: Pick<E2m1Packed, "format">): 16 | 32 {
  return format === "nvfp4-pack-quantized" ? NVFP4_GROUP_SIZE : MXFP4_GROUP_SIZE;
}

/**
 * compressed-tensors `nvfp4-pack-quantized` and `mxfp4-pack-quantized` (0.20): of `X.weight` [out, in]
 * - `X.weight_packed` U8 [out, in / 2];
 * - `X.weight_scale` [out, in / 16] F8_E4M3, or [out, in / 32] U8, exponents plus 127;
 * - `X.weight_global_scale` F32 [1], NVFP4 alone.
 */
export function e2m1PackedOutputs(tensor: TensorSpec, scheme: E2m1Packed): TensorOutput[] {
  const [rows, columns] = tensor.shape as [number, number];
  const name = `${moduleOf(tensor.name)}.weight`;
  const nvfp4 = scheme.format === "nvfp4-pack-quantized";
  const globalScale: TensorOutput = { name: `${name}_global_scale`, dtype: "F32", shape: [1] };
  return [
    { name: `${name}_packed`, dtype: "U8", shape: [rows, columns / 2] },
    {
      name: `${name}_scale`,
      dtype: nvfp4 ? "F8_E4M3" : "U8",
      shape: [rows, columns / e2m1GroupSize(scheme)],
    },
    ...(nvfp4 ? [globalScale] : []),
  ];
}

/** @param magnitude largest one that NVFP4's global scale is to hold; without it, that of the weights, which are then collected first */
export function e2m1PackedStage(
  tensor: TensorSpec,
  scheme: E2m1Packed,
  measure: Measure,
  magnitude: number | undefined,
): Stage {
  const dtype = tensor.dtype as FloatDtype;
  const { scales } = scheme;
  if (scheme.format === "mxfp4-pack-quantized") {
    return {
      push(bytes) {
        const weights = { dtype, bytes };
        const encoded = encodeMxfp4(weights, { scales });
        measure(weights, () => decodeMxfp4(encoded, "F32"));
        return [encoded.codes, encoded.scales];
      },
    };
  }
  const encode = (bytes: Uint8Array, globalScale: number) => {
    const weights = { dtype, bytes };
    const encoded = encodeNvfp4(weights, { scales, globalScale });
    measure(weights, () => decodeNvfp4(encoded, "F32"));
    return [encoded.codes, encoded.scales];
  };
  const none = new Uint8Array(0);
  if (magnitude !== undefined) {
    const globalScale = nvfp4GlobalScale(magnitude);
    return {
      push: (bytes) => [...encode(bytes, globalScale), none],
      finish: () => [none, none, bytesOf(Float32Array.of(globalScale))],
    };
  }
  const collected = new Uint8Array(byteLengthOf(dtype, tensor.shape));
  const rowBytes = collected.length / (tensor.shape[0] ?? 1);
  return {
    push(bytes, firstRow) {
      collected.set(bytes, firstRow * rowBytes);
      return [none, none, none];
    },
    finish() {
      const globalScale = nvfp4GlobalScale(largestOf({ dtype, bytes: collected }));
      return [...encode(collected, globalScale), bytesOf(Float32Array.of(globalScale))];
    },
  };
}
