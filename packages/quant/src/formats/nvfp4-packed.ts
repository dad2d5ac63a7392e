import { byteLengthOf, readTensor, toFloat32 } from "@vlmopt/tensor-io/browser";
import { storedPart } from "../checkpoint/stored-part.ts";
import { largestOf } from "../largest-magnitude.ts";
import { decodeNvfp4, encodeNvfp4, NVFP4_GROUP_SIZE, nvfp4GlobalScale } from "../nvfp4.ts";
import type { FloatDtype } from "../weights.ts";
import { compressedTensors, floatGroups } from "./compressed-tensors.ts";
import { decodingPairs, fittingFloats, packedFloats } from "./e2m1-tensors.ts";
import type { Format } from "./format.ts";
import type { Scheme } from "./scheme.ts";
import { bytesOf, companion, moduleOf, plainDtype } from "./weight-tensors.ts";

/** compressed-tensors' NVFP4: 4-bit floats in groups of 16, whose scales are 8-bit floats. */
export interface Nvfp4Packed extends Scheme {
  readonly format: "nvfp4-pack-quantized";
  /** See `Nvfp4Options`. */
  readonly scales: "compressed-tensors" | "search";
}

/**
 * compressed-tensors `nvfp4-pack-quantized` (0.20): of `X.weight` [out, in]
 * - `X.weight_packed` U8 [out, in / 2];
 * - `X.weight_scale` F8_E4M3 [out, in / 16];
 * - `X.weight_global_scale` F32 [1].
 */
export const nvfp4Packed: Format<Nvfp4Packed> = {
  name: "nvfp4-pack-quantized",
  schemes: ["nvfp4"],
  parse: (name, preset) =>
    name === "nvfp4"
      ? { format: "nvfp4-pack-quantized", scales: preset === "best" ? "search" : "compressed-tensors" }
      : undefined,
  fit: (scheme, [, columns]) => fittingFloats(scheme, NVFP4_GROUP_SIZE, columns),
  outputs(tensor) {
    const [rows, columns] = tensor.shape as [number, number];
    const name = `${moduleOf(tensor.name)}.weight`;
    return [
      { name: `${name}_packed`, dtype: "U8", shape: [rows, columns / 2] },
      { name: `${name}_scale`, dtype: "F8_E4M3", shape: [rows, columns / NVFP4_GROUP_SIZE] },
      { name: `${name}_global_scale`, dtype: "F32", shape: [1] },
    ];
  },
  // Without a magnitude, weights are collected until their own is known.
  encode(tensor, { scales }, { measure, magnitude, importance }) {
    const dtype = tensor.dtype as FloatDtype;
    const encode = (bytes: Uint8Array, globalScale: number) => {
      const weights = { dtype, bytes };
      const encoded = encodeNvfp4(weights, {
        scales: importance === undefined ? scales : "search",
        globalScale,
        importance,
      });
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
  },
  sharesScales: true,
  config: {
    ...compressedTensors,
    settings: () => ({
      format: "nvfp4-pack-quantized",
      weights: floatGroups("tensor_group", NVFP4_GROUP_SIZE, "torch.float8_e4m3fn"),
    }),
  },
  async find(source, tensor) {
    const found = packedFloats(source, tensor, "F8_E4M3", NVFP4_GROUP_SIZE);
    if (found === undefined) return undefined;
    const { name, shape, scale } = found;
    const globalScale = companion(source, tensor.name, `${name}_global_scale`).name;
    const [value = 1] = toFloat32(await readTensor(source, globalScale), "F32");
    return {
      name,
      weight: {
        shape,
        dtype: plainDtype(source),
        layout: { kind: "other" },
        beside: { scales: await storedPart(source, scale) },
        settings: { globalScale: value },
      },
      parts: [scale, globalScale],
    };
  },
  decode: (weight, target) =>
    decodingPairs(weight, (encoded) =>
      decodeNvfp4({ ...encoded, globalScale: Number(weight.settings?.globalScale) }, target),
    ),
};
