import { toFloat32 } from "../convert/convert.ts";
import type { Dtype } from "../dtype.ts";
import { CheckpointError } from "../errors.ts";
import type { TensorInfo, TensorSpec } from "../tensor-info.ts";

/** Bits of the exponent, and of what is below it in 8-bit floats whose largest pattern alone is NaN. */
const exponents: Partial<Record<Dtype, { readonly bytes: 1 | 2 | 4 | 8; readonly mask: number }>> = {
  F32: { bytes: 4, mask: 0x7f80_0000 },
  F16: { bytes: 2, mask: 0x7c00 },
  BF16: { bytes: 2, mask: 0x7f80 },
  F8_E5M2: { bytes: 1, mask: 0x7c },
  F8_E4M3: { bytes: 1, mask: 0x7f },
  // The upper half of a number, little-endian.
  F64: { bytes: 8, mask: 0x7ff0_0000 },
};

export function hasNonFinite(dtype: Dtype): boolean {
  return exponents[dtype] !== undefined;
}

/** Place of the first element that is NaN or infinite; −1 where all are finite, or dtype has no such elements. */
export function firstNonFinite(bytes: Uint8Array, dtype: Dtype): number {
  const format = exponents[dtype];
  if (format === undefined) return -1;
  const { bytes: size, mask } = format;
  const step = Math.min(size, 4);
  const whole = bytes.byteLength - (bytes.byteLength % size);
  // Words of four bytes go many times as fast as elements one by one.
  const aligned = bytes.byteOffset % 4 === 0;
  const words = aligned ? new Uint32Array(bytes.buffer, bytes.byteOffset, whole >> 2) : new Uint32Array(0);
  const wordMask = step === 4 ? mask : step === 2 ? mask | (mask << 16) : (mask * 0x0101_0101) | 0;
  let clean = 0;
  if (step === 4) {
    const stride = size === 8 ? 2 : 1;
    for (let i = stride - 1; i < words.length; i += stride)
      if (((words[i] as number) & mask) === mask) return (i - (stride - 1)) / stride;
    clean = words.length * 4;
  } else {
    // A field is full where adding its lowest bit to it carries out of it; fields that are not are told apart one by one.
    const [low, high] = [mask, wordMask];
    let i = 0;
    for (; i < words.length; i++) {
      const word = (words[i] as number) & high;
      if (step === 2) {
        if ((word & low) === low || word >>> 16 === low) break;
      } else if (
        (word & low) === low ||
        ((word >>> 8) & low) === low ||
        ((word >>> 16) & low) === low ||
        ((word >>> 24) & low) === low
      )
        break;
    }
    clean = i * 4;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = clean; at < whole; at += size) {
    const value =
      size === 1
        ? view.getUint8(at)
        : size === 2
          ? view.getUint16(at, true)
          : view.getUint32(at + size - 4, true);
    if ((value & mask) === mask) return at / size;
  }
  return -1;
}

/**
 * @param firstElement number of the first of these elements in the tensor
 * @throws {CheckpointError} `non-finite`, naming the element, where one is NaN or infinite
 */
export function assertFinite(tensor: TensorInfo, bytes: Uint8Array, firstElement: number): void {
  const place = firstNonFinite(bytes, tensor.dtype);
  if (place === -1) return;
  const size = exponents[tensor.dtype]?.bytes ?? 1;
  const [value] = toFloat32(bytes.slice(place * size, (place + 1) * size), tensor.dtype);
  throw new CheckpointError(
    "non-finite",
    `weight [${coordinates(firstElement + place, tensor.shape)}] is ${value}, with which a model answers nothing`,
    { file: tensor.file, tensor: tensor.name, hint: "get the weights anew" },
  );
}

/** @throws {CheckpointError} `non-finite` where a finite number became infinite because the output's dtype has no room for it */
export function assertRoom(output: TensorSpec, bytes: Uint8Array, firstElement: number): void {
  const place = firstNonFinite(bytes, output.dtype);
  if (place === -1) return;
  throw new CheckpointError(
    "non-finite",
    `weight [${coordinates(firstElement + place, output.shape)}] is too large for ${output.dtype}, in which it would be infinite`,
    { tensor: output.name, hint: "BF16 and F32 have room for it" },
  );
}

/** Of an element by its number, along each axis. */
function coordinates(element: number, shape: readonly number[]): string {
  const found: number[] = [];
  let rest = element;
  for (const size of [...shape].reverse()) {
    found.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return found.join(", ");
}
