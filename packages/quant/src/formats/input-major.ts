import type { Checkpoint, Stage } from "@vlmopt/tensor-io";
import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { transposed } from "../bit-packing.ts";
import { decodeChunks } from "../decode-chunks.ts";
import type { FloatDtype } from "../weights.ts";
import type { StoredIntegers } from "./format.ts";
import type { LoadedWeight } from "./quantized-weight.ts";
import { joinedBytes } from "./weight-tensors.ts";

/*
 * GPTQ and AWQ store the transpose of a linear's matrix, input features down and output features along: words go down the input features in
 * GPTQ's files and along the output features in AWQ's.
 */

/** Scales [out, groups] as the F16 [groups, out] of a file. */
export function packScales(scales: Float32Array, outputs: number): Uint8Array {
  return fromFloat32(transposed(scales, outputs, scales.length / outputs), "F16");
}

/** The inverse of `packScales`, of any dtype. */
export function unpackScales(bytes: Uint8Array, dtype: FloatDtype, outputs: number): Float32Array {
  const scales = toFloat32(bytes, dtype);
  return transposed(scales, scales.length / outputs, outputs);
}

/**
 * Collects the tensor of the numbers, since rows of the matrix lie across it, and decodes it.
 * @param groupOf of each input feature; without it, groups follow each other
 */
export function decodingInputMajor(
  { shape }: LoadedWeight,
  { scales, zeroPoints, codes: unpack }: StoredIntegers & { readonly zeroPoints: Uint8Array },
  target: FloatDtype,
  groupOf?: Uint32Array,
): Stage {
  const [outputs, inputs] = shape as [number, number];
  const groups = scales.length / outputs;
  const parts: Uint8Array[] = [];
  return {
    push(bytes) {
      parts.push(bytes.slice());
      return [new Uint8Array(0)];
    },
    finish() {
      const codes = unpack(joinedBytes(parts));
      const order =
        groupOf ?? Uint32Array.from({ length: inputs }, (_, i) => Math.floor((i * groups) / inputs));
      const decoded = decodeChunks(outputs * inputs, inputs, target, (weights, first, rows) => {
        for (let row = 0; row < rows; row++) {
          const start = (first + row) * inputs;
          for (let i = 0; i < inputs; i++) {
            const group = (first + row) * groups + (order[i] as number);
            const code = codes[start + i] as number;
            weights[row * inputs + i] = (code - (zeroPoints[group] as number)) * (scales[group] as number);
          }
        }
      });
      return [decoded];
    },
  };
}

/** A part of `quantization_config` of a checkpoint's config.json. */
export async function quantizationSettings(source: Checkpoint): Promise<Readonly<Record<string, unknown>>> {
  const found = known.get(source);
  if (found !== undefined) return found;
  const reading = source.readSibling("config.json").then((bytes) => {
    if (bytes === undefined) return {};
    const config = JSON.parse(new TextDecoder().decode(bytes)) as {
      readonly quantization_config?: Readonly<Record<string, unknown>> | null;
    };
    return config.quantization_config ?? {};
  });
  known.set(source, reading);
  return reading;
}

const known = new WeakMap<Checkpoint, Promise<Readonly<Record<string, unknown>>>>();
