import { packBits } from "../bit-packing.ts";
import type { FloatDtype } from "../weights.ts";
import type { Format, FoundWeight, StoredIntegers } from "./format.ts";
import type { IntegerLayout, LoadedWeight } from "./quantized-weight.ts";
import { bytesOf, joinedBytes } from "./weight-tensors.ts";

/**
 * A whole weight decoded.
 * @param bytes of the tensor that holds the numbers
 */
export function dequantize(
  { format }: Pick<FoundWeight, "format">,
  bytes: Uint8Array,
  weight: LoadedWeight,
  target: FloatDtype,
): Uint8Array {
  const { push, finish } = format.decode(weight, target);
  // What a stage gives back lies in memory that its next call reuses.
  const parts = push(bytes, 0).map((part) => part.slice());
  return joinedBytes([...parts, ...(finish?.() ?? [])]);
}

/** @throws {TypeError} where a format says that its weights are integers, and cannot read them */
export function integersOf({ format }: Pick<FoundWeight, "format">, weight: LoadedWeight): StoredIntegers {
  return required(format, "integers")(weight);
}

/** The scale of each block of a codebook's layout. */
export function blockScalesOf({ format }: Pick<FoundWeight, "format">, weight: LoadedWeight): Float32Array {
  return required(format, "blockScales")(weight);
}

/**
 * The codes of a layout of integers, as `packed` ones are stored.
 * @param width bits of each, the layout's or more: codes are then moved up with their zero, which stays in the middle
 */
export function packedCodes(
  found: Pick<FoundWeight, "format">,
  bytes: Uint8Array,
  weight: LoadedWeight,
  width?: number,
): Uint8Array {
  const { bits, stored } = weight.layout as IntegerLayout;
  if (stored === "packed" && (width === undefined || width === bits)) return bytes;
  const up = widenedBy(bits, width ?? bits);
  const codes = integersOf(found, weight).codes(bytes);
  const moved = up === 0 ? codes : codes.map((code) => code + up);
  return bytesOf(packBits(moved, weight.shape[1] ?? 1, width ?? bits));
}

/** What codes and zero points of `bits` are moved up by to be ones of `width`. */
export function widenedBy(bits: number, width: number): number {
  return 2 ** (width - 1) - 2 ** (bits - 1);
}

function required<K extends "integers" | "blockScales">(format: Format, method: K): NonNullable<Format[K]> {
  const found = format[method];
  if (found === undefined) throw new TypeError(`the format ${format.name} has no ${method} for its layout`);
  return found;
}
