import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import { storedPart } from "../checkpoint/stored-part.ts";
import { decodeFp8, encodeFp8 } from "../fp8.ts";
import type { FloatDtype } from "../weights.ts";
import { compressedTensors } from "./compressed-tensors.ts";
import type { Format } from "./format.ts";
import type { Scheme } from "./scheme.ts";
import { moduleOf, plainDtype } from "./weight-tensors.ts";

/** compressed-tensors' 8-bit floats: one scale for each row of a matrix. */
export interface FloatQuantized extends Scheme {
  readonly format: "float-quantized";
  /** What activations are while they are multiplied: 8-bit floats, scaled for each token (W8A8), or as they are (W8A16). */
  readonly activations: "fp8" | "as they are";
}

/**
 * compressed-tensors `float-quantized` (0.20): of `X.weight` [out, in]
 * - `X.weight` F8_E4M3 [out, in];
 * - `X.weight_scale` [out, 1] in the weight's dtype.
 */
export const floatQuantized: Format<FloatQuantized> = {
  name: "float-quantized",
  schemes: ["fp8", "fp8-w8a16"],
  parse(name) {
    if (name !== "fp8" && name !== "fp8-w8a16") return undefined;
    return { format: "float-quantized", activations: name === "fp8" ? "fp8" : "as they are" };
  },
  fit: (scheme) => scheme,
  outputs(tensor) {
    const name = `${moduleOf(tensor.name)}.weight`;
    return [
      { name, dtype: "F8_E4M3", shape: tensor.shape },
      { name: `${name}_scale`, dtype: tensor.dtype, shape: [tensor.shape[0] ?? 1, 1] },
    ];
  },
  encode: (tensor, _, { measure }) => ({
    push(bytes) {
      const weights = { dtype: tensor.dtype as FloatDtype, bytes };
      const encoded = encodeFp8(weights, tensor.shape[1] ?? 1);
      measure(weights, () => decodeFp8(encoded, "F32"));
      return [encoded.codes, fromFloat32(encoded.scales, weights.dtype)];
    },
  }),
  config: {
    ...compressedTensors,
    settings: ({ activations }) => ({
      format: "float-quantized",
      weights: floats("channel", false),
      ...(activations === "fp8" ? { input_activations: floats("token", true) } : {}),
    }),
  },
  async find(source, { name, dtype, shape }) {
    const scale = source.tensors.get(`${name}_scale`);
    if (!name.endsWith(".weight") || dtype !== "F8_E4M3" || scale === undefined) return undefined;
    const count = scale.shape.reduce((product, size) => product * size, 1);
    if (shape.length !== 2 || (count !== 1 && count !== shape[0])) {
      throw new QuantizationError(
        `${scale.name} of shape [${scale.shape}] is neither one scale for ${name} of shape [${shape}] nor one for each of its rows: others are not read`,
      );
    }
    return {
      name,
      weight: {
        shape,
        dtype: scale.dtype === "F32" ? plainDtype(source) : (scale.dtype as FloatDtype),
        layout: { kind: "other" },
        beside: { scales: await storedPart(source, scale.name) },
        settings: { scaleDtype: scale.dtype },
      },
      parts: [scale.name, `${name.replace(/\.weight$/, "")}.input_scale`].filter((part) =>
        source.tensors.has(part),
      ),
    };
  },
  decode({ shape: [rows = 1, columns = 1], beside, settings }, target) {
    const stored = toFloat32(beside.scales as Uint8Array, settings?.scaleDtype as FloatDtype);
    const scales = stored.length === rows ? stored : new Float32Array(rows).fill(stored[0] ?? 1);
    return {
      push(codes, firstRow) {
        const end = firstRow + codes.length / columns;
        return [decodeFp8({ columns, codes, scales: scales.subarray(firstRow, end) }, target)];
      },
    };
  },
};

function floats(strategy: string, dynamic: boolean): object {
  return { num_bits: 8, type: "float", symmetric: true, strategy, group_size: null, dynamic };
}
