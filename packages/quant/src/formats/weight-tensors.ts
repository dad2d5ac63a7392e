import type { Checkpoint, TensorInfo } from "@vlmopt/tensor-io";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import type { FloatDtype } from "../weights.ts";

/** `X` of the tensor `X.weight`: the module that the format's other tensors are named after. */
export function moduleOf(name: string): string {
  return name.replace(/\.weight$/, "");
}

export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer as ArrayBuffer, byteOffset, byteLength);
}

export function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.slice().buffer);
}

/** @throws {QuantizationError} where a tensor that `name` needs is not there */
export function companion(source: Checkpoint, name: string, wanted: string): TensorInfo {
  const tensor = source.tensors.get(wanted);
  if (tensor !== undefined) return tensor;
  throw new QuantizationError(`${name} comes without ${wanted}: the checkpoint is not whole`);
}

/** The dtype of the weights that are stored plainly, for formats that do not tell what theirs was. */
export function plainDtype(source: Checkpoint): FloatDtype {
  for (const { name, dtype } of source.tensors.values()) {
    if (name.endsWith(".weight") && (dtype === "F32" || dtype === "F16" || dtype === "BF16")) return dtype;
  }
  return "BF16";
}

export function joinedBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let filled = 0;
  for (const part of parts) {
    whole.set(part, filled);
    filled += part.length;
  }
  return whole;
}
