import type { Stage, TensorOutput, TensorSpec } from "@vlmopt/tensor-io";
import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeChunks } from "../decode-chunks.ts";
import { decodeInt4, encodeInt4 } from "../int4.ts";
import type { FloatDtype } from "../weights.ts";
import {
  type InputMajorFormat,
  packQweight,
  packQzeros,
  transposed,
  unpackQweight,
  unpackQzeros,
} from "./input-major.ts";
import type { InputMajor } from "./scheme.ts";
import type { Measure } from "./squared-error.ts";
import { bytesOf, groupSizeOf, moduleOf } from "./weight-tensors.ts";

/**
 * GPTQ's first format without reordering (AutoGPTQ, `desc_act: false`) and AWQ's `gemm` (AutoAWQ 0.2, `WQLinear_GEMM`): of `X.weight`
 * [out, in]
 * - `X.qweight` I32, GPTQ [in / 8, out] and AWQ [in, out / 8];
 * - `X.qzeros` I32 [in / group, out / 8], GPTQ's less 1;
 * - `X.scales` F16 [in / group, out];
 * - `X.g_idx` I32 [in], the group of each input feature, GPTQ alone.
 */
export function inputMajorOutputs(tensor: TensorSpec, scheme: InputMajor): TensorOutput[] {
  const [outputs, inputs] = tensor.shape as [number, number];
  const groups = inputs / groupSizeOf(scheme, inputs);
  const module = moduleOf(tensor.name);
  const gptq = scheme.format === "gptq";
  const groupIndices: TensorOutput = { name: `${module}.g_idx`, dtype: "I32", shape: [inputs] };
  return [
    {
      name: `${module}.qweight`,
      dtype: "I32",
      shape: gptq ? [inputs / 8, outputs] : [inputs, outputs / 8],
    },
    { name: `${module}.qzeros`, dtype: "I32", shape: [groups, outputs / 8] },
    { name: `${module}.scales`, dtype: "F16", shape: [groups, outputs] },
    ...(gptq ? [groupIndices] : []),
  ];
}

export function inputMajorStage(tensor: TensorSpec, scheme: InputMajor, measure: Measure): Stage {
  const [outputs, inputs] = tensor.shape as [number, number];
  const dtype = tensor.dtype as FloatDtype;
  const { format } = scheme;
  const groupSize = groupSizeOf(scheme, inputs);
  const groups = inputs / groupSize;
  const words = new Uint32Array((outputs * inputs) / 8);
  const codes = bytesOf(words);
  const zeroPoints = new Uint8Array(outputs * groups);
  const scales = new Float32Array(outputs * groups);
  const nothing = Array.from({ length: format === "gptq" ? 4 : 3 }, () => new Uint8Array(0));
  return {
    push(bytes, firstRow) {
      const weights = { dtype, bytes };
      const encoded = encodeInt4(weights, {
        groupSize,
        zeroPoints: "whole",
        scales: scheme.scales,
        scaleDtype: "F16",
        // Readers add the 1 back to whole words, where a carry would spoil the neighbour, or let 15 become 16.
        lowestZeroPoint: format === "gptq" ? 1 : 0,
      });
      measure(weights, () => decodeInt4(encoded, "F32"));
      codes.set(encoded.codes, (firstRow * inputs) / 2);
      scales.set(encoded.scales, firstRow * groups);
      zeroPoints.set(encoded.zeroPoints as Uint8Array, firstRow * groups);
      return nothing;
    },
    finish() {
      const groupIndices = Int32Array.from({ length: inputs }, (_, i) => Math.floor(i / groupSize));
      return [
        bytesOf(packQweight(format, words, outputs)),
        bytesOf(packQzeros(format, zeroPoints, outputs)),
        fromFloat32(transposed(scales, outputs, groups), "F16"),
        ...(format === "gptq" ? [bytesOf(groupIndices)] : []),
      ];
    },
  };
}

/** A weight in one of these formats. */
export interface InputMajorWeight<Part> {
  readonly format: InputMajorFormat;
  /** Of the weight that it stands for: [out, in]. */
  readonly shape: readonly number[];
  readonly scales: Part;
  /** Of `scales`. */
  readonly scaleDtype: FloatDtype;
  readonly zeroPoints: Part;
  /** What was subtracted from zero points before they were stored. */
  readonly zeroPointsLess: number;
  /** Group of each input feature; without it, groups follow each other. */
  readonly groupIndices?: Part;
}

export function inputMajorDecodingStage(weight: InputMajorWeight<Uint8Array>, target: FloatDtype): Stage {
  const { format, shape, zeroPointsLess } = weight;
  const [outputs, inputs] = shape as [number, number];
  const collected = new Uint32Array((outputs * inputs) / 8);
  let filled = 0;
  return {
    push(bytes) {
      bytesOf(collected).set(bytes, filled);
      filled += bytes.length;
      return [new Uint8Array(0)];
    },
    finish() {
      const stored = toFloat32(weight.scales, weight.scaleDtype);
      const groups = stored.length / outputs;
      const scales = transposed(stored, groups, outputs);
      const qzeros = wordsOf(weight.zeroPoints);
      const zeroPoints = unpackQzeros(format, qzeros, outputs, zeroPointsLess);
      const groupOf =
        weight.groupIndices === undefined
          ? Uint32Array.from({ length: inputs }, (_, i) => Math.floor((i * groups) / inputs))
          : wordsOf(weight.groupIndices);
      const words = unpackQweight(format, collected, outputs);
      const decoded = decodeChunks(outputs * inputs, inputs, target, (weights, first, rows) => {
        for (let row = 0; row < rows; row++) {
          const firstGroup = (first + row) * groups;
          const firstWord = ((first + row) * inputs) / 8;
          for (let i = 0; i < inputs; i++) {
            const group = firstGroup + (groupOf[i] as number);
            const number = ((words[firstWord + (i >> 3)] as number) >>> (4 * (i & 7))) & 15;
            weights[row * inputs + i] = (number - (zeroPoints[group] as number)) * (scales[group] as number);
          }
        }
      });
      return [decoded];
    },
  };
}

function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}
