import { storedPart } from "../checkpoint/stored-part.ts";
import { decodeMxfp4, encodeMxfp4, MXFP4_GROUP_SIZE } from "../mxfp4.ts";
import type { FloatDtype } from "../weights.ts";
import { compressedTensors, floatGroups } from "./compressed-tensors.ts";
import { decodingPairs, fittingFloats, packedFloats } from "./e2m1-tensors.ts";
import type { Format } from "./format.ts";
import type { Scheme } from "./scheme.ts";
import { moduleOf, plainDtype } from "./weight-tensors.ts";

/** compressed-tensors' MXFP4: 4-bit floats in groups of 32, whose scales are powers of two. */
export interface Mxfp4Packed extends Scheme {
  readonly format: "mxfp4-pack-quantized";
  /** See `Mxfp4Options`. */
  readonly scales: "compressed-tensors" | "search";
}

/**
 * compressed-tensors `mxfp4-pack-quantized` (0.20): of `X.weight` [out, in]
 * - `X.weight_packed` U8 [out, in / 2];
 * - `X.weight_scale` U8 [out, in / 32], exponents plus 127.
 */
export const mxfp4Packed: Format<Mxfp4Packed> = {
  name: "mxfp4-pack-quantized",
  schemes: ["mxfp4"],
  parse: (name, preset) =>
    name === "mxfp4"
      ? { format: "mxfp4-pack-quantized", scales: preset === "best" ? "search" : "compressed-tensors" }
      : undefined,
  fit: (scheme, [, columns]) => fittingFloats(scheme, MXFP4_GROUP_SIZE, columns),
  outputs(tensor) {
    const [rows, columns] = tensor.shape as [number, number];
    const name = `${moduleOf(tensor.name)}.weight`;
    return [
      { name: `${name}_packed`, dtype: "U8", shape: [rows, columns / 2] },
      { name: `${name}_scale`, dtype: "U8", shape: [rows, columns / MXFP4_GROUP_SIZE] },
    ];
  },
  encode: ({ dtype }, { scales }, { measure, importance }) => ({
    push(bytes) {
      const weights = { dtype: dtype as FloatDtype, bytes };
      const encoded = encodeMxfp4(weights, {
        scales: importance === undefined ? scales : "search",
        importance,
      });
      measure(weights, () => decodeMxfp4(encoded, "F32"));
      return [encoded.codes, encoded.scales];
    },
  }),
  config: {
    ...compressedTensors,
    settings: () => ({
      format: "mxfp4-pack-quantized",
      weights: floatGroups("group", MXFP4_GROUP_SIZE, "torch.uint8"),
    }),
  },
  async find(source, tensor) {
    const found = packedFloats(source, tensor, "U8", MXFP4_GROUP_SIZE);
    if (found === undefined) return undefined;
    const { name, shape, scale } = found;
    return {
      name,
      weight: {
        shape,
        dtype: plainDtype(source),
        layout: { kind: "other" },
        beside: { scales: await storedPart(source, scale) },
      },
      parts: [scale],
    };
  },
  decode: (weight, target) => decodingPairs(weight, (encoded) => decodeMxfp4(encoded, target)),
};
