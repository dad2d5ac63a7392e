import type { Stage } from "@vlmopt/tensor-io";
import { elementCount, toFloat32 } from "@vlmopt/tensor-io/browser";
import { decodeBlockwise } from "../blockwise.ts";
import { dequantizeScales } from "../double-quantization.ts";
import { decodeInt4 } from "../int4.ts";
import { decodeInt8 } from "../int8.ts";
import { decodeMxfp4 } from "../mxfp4.ts";
import { decodeNvfp4 } from "../nvfp4.ts";
import type { FloatDtype } from "../weights.ts";
import { codebooks } from "./bitsandbytes-4bit.ts";
import { inputMajorDecodingStage } from "./gptq-awq.ts";
import { unpackRows } from "./pack-quantized.ts";
import type { LoadedWeight } from "./quantized-weight.ts";

/**
 * A whole weight decoded.
 * @param bytes of the tensor that holds the numbers
 */
export function dequantize(bytes: Uint8Array, weight: LoadedWeight, target: FloatDtype): Uint8Array {
  const { push, finish } = decodingStage(weight, target);
  // What a stage gives back lies in memory that its next call reuses.
  const parts = push(bytes, 0).map((part) => part.slice());
  return joined([...parts, ...(finish?.() ?? [])]);
}

/** Zero points of compressed-tensors, from 0 to 15: `[out, groups]`; undefined where all are 8. */
export function zeroPointsOf({
  zeroPoints,
  shape: [rows = 1],
}: LoadedWeight<"pack-quantized">): Uint8Array | undefined {
  return zeroPoints && unpackRows(new Uint32Array(zeroPoints.slice().buffer), rows);
}

/** The absmax of each of bitsandbytes' blocks, those that are quantized themselves decoded. */
export function absmaxOf({ absmax, nested }: LoadedWeight<"bitsandbytes">): Float32Array {
  if (nested === undefined) return toFloat32(absmax, "F32");
  const { offset } = nested;
  return dequantizeScales({ codes: absmax, absmax: toFloat32(nested.absmax, "F32"), offset });
}

/** Decodes the rows of the tensor that holds the numbers, block by block. */
export function decodingStage(weight: LoadedWeight, target: FloatDtype): Stage {
  switch (weight.format) {
    case "pack-quantized":
      return unpackingStage(weight, target);
    case "int-quantized":
      return scalingStage(weight, target);
    case "bitsandbytes":
      return lookupStage(weight, target);
    case "gptq":
    case "awq":
      return inputMajorDecodingStage(weight, target);
    case "nvfp4-pack-quantized":
    case "mxfp4-pack-quantized":
      return e2m1Stage(weight, target);
  }
}

function unpackingStage(weight: LoadedWeight<"pack-quantized">, target: FloatDtype): Stage {
  const { shape, dtype } = weight;
  const [rows, columns] = shape as [number, number];
  const scales = toFloat32(weight.scales, dtype);
  const groupsPerRow = scales.length / rows;
  const groupSize = columns / groupsPerRow;
  const zeros = zeroPointsOf(weight);
  return {
    push(codes, firstRow) {
      const groups = (codes.length / (columns / 2)) * groupsPerRow;
      const first = firstRow * groupsPerRow;
      const encoded = {
        groupSize,
        count: codes.length * 2,
        codes,
        scales: scales.subarray(first, first + groups),
        scaleDtype: dtype,
        ...(zeros ? { zeroPoints: zeros.subarray(first, first + groups) } : {}),
      };
      return [decodeInt4(encoded, target)];
    },
  };
}

function scalingStage(weight: LoadedWeight<"int-quantized">, target: FloatDtype): Stage {
  const { shape, dtype } = weight;
  const [rows, columns] = shape as [number, number];
  const scales = toFloat32(weight.scales, dtype);
  const groupsPerRow = scales.length / rows;
  return {
    push(bytes, firstRow) {
      const first = firstRow * groupsPerRow;
      const numbers = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      const groups = (numbers.length / columns) * groupsPerRow;
      const encoded = {
        groupSize: columns / groupsPerRow,
        count: numbers.length,
        numbers,
        scales: scales.subarray(first, first + groups),
        scaleDtype: dtype,
      };
      return [decodeInt8(encoded, target)];
    },
  };
}

function e2m1Stage(
  weight: LoadedWeight<"nvfp4-pack-quantized" | "mxfp4-pack-quantized">,
  target: FloatDtype,
): Stage {
  const { shape, format, globalScale } = weight;
  const stored = weight.scales;
  const groupsPerRow = stored.length / (shape[0] as number);
  const rowBytes = (shape[1] as number) / 2;
  return {
    push(codes, firstRow) {
      const first = firstRow * groupsPerRow;
      const scales = stored.subarray(first, first + (codes.length / rowBytes) * groupsPerRow);
      const encoded = { count: codes.length * 2, codes, scales, globalScale };
      return [
        format === "nvfp4-pack-quantized" ? decodeNvfp4(encoded, target) : decodeMxfp4(encoded, target),
      ];
    },
  };
}

function lookupStage(weight: LoadedWeight<"bitsandbytes">, target: FloatDtype): Stage {
  const { shape, blockSize } = weight;
  const count = elementCount(shape);
  const absmax = absmaxOf(weight);
  let done = 0;
  // Bytes of a block that goes on in the next rows.
  let rest = new Uint8Array(0);
  const decode = (codes: Uint8Array) => {
    const some = Math.min(codes.length * 2, count - done);
    const first = done / blockSize;
    done += some;
    return decodeBlockwise(
      {
        codebook: codebooks[weight.codebook],
        blockSize,
        count: some,
        codes,
        absmax: absmax.subarray(first, Math.ceil(done / blockSize)),
      },
      target,
    );
  };
  return {
    push(bytes) {
      const codes = rest.length === 0 ? bytes : joined([rest, bytes]);
      const whole = codes.length - (codes.length % (blockSize / 2));
      rest = codes.slice(whole);
      return [decode(codes.subarray(0, whole))];
    },
    finish: () => [decode(rest)],
  };
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const part of parts) {
    whole.set(part, filled);
    filled += part.length;
  }
  return whole;
}
