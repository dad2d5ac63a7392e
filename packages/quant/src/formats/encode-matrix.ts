import { fromFloat32, type TensorSpec, toFloat32 } from "@vlmopt/tensor-io/browser";
import type { FloatDtype } from "../weights.ts";
import type { Encoding, Format } from "./format.ts";
import type { Scheme } from "./scheme.ts";
import { joinedBytes } from "./weight-tensors.ts";

/** A matrix as a format stores it. */
export interface EncodedMatrix {
  /** The format's outputs that are not constant. */
  readonly parts: readonly Uint8Array[];
  /** What they stand for. */
  readonly decoded: Float32Array;
}

/** Rounds a whole matrix as a format does by itself. */
export function encodeMatrix(
  format: Format,
  scheme: Scheme,
  tensor: TensorSpec,
  data: Float32Array,
  how: Omit<Encoding, "measure"> = {},
): EncodedMatrix {
  const decoded: Uint8Array[] = [];
  const stage = format.encode(tensor, scheme, {
    ...how,
    measure: (_, decode) => decoded.push(decode().slice()),
  });
  const first = stage.push(fromFloat32(data, tensor.dtype as FloatDtype), 0).map((part) => part.slice());
  const last = stage.finish?.() ?? [];
  const parts = first.map((part, i) => joinedBytes([part, last[i] ?? new Uint8Array(0)]));
  return { parts, decoded: toFloat32(joinedBytes(decoded), "F32") };
}
