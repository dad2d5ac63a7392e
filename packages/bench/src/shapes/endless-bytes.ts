import { fromFloat32 } from "@vlmopt/tensor-io";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

/** Bytes of a tensor that are nowhere: those of a short piece over and over, made up as they are read. */
export interface EndlessBytes {
  readonly piece: Uint8Array;
  /** Byte of the piece that comes first. */
  readonly from: number;
}

export type FloatDtype = "F32" | "F16" | "BF16";

/** Primes, so that rows and columns of no matrix fall in with the piece. */
const NUMBERS = 2_097_143;
const NOISE_BYTES = 4_194_301;
/** Of constants: copied in pieces, not one by one. */
const CONSTANTS = 4096;
const SEED = 20230410;

/** Gaussian numbers of this deviation, another part of the same ones for each `part`. */
export function gaussianBytes(dtype: FloatDtype, deviation: number): (part: number) => EndlessBytes {
  const piece = fromFloat32(gaussianNumbers(NUMBERS, deviation), dtype);
  const width = piece.length / NUMBERS;
  return (part) => ({ piece, from: width * startOf(part, NUMBERS) });
}

/** Bytes of which each value is as likely as any other. */
export function noiseBytes(): (part: number) => EndlessBytes {
  const random = xoroshiro128plus(SEED);
  const piece = new Uint8Array(NOISE_BYTES);
  // The lowest bits of the generator are its weakest.
  for (let i = 0; i < piece.length; i++) piece[i] = random.next() >>> 24;
  return (part) => ({ piece, from: startOf(part, NOISE_BYTES) });
}

/** One number all along. */
export function constantBytes(dtype: FloatDtype, value: number): EndlessBytes {
  return { piece: fromFloat32(new Float32Array(CONSTANTS).fill(value), dtype), from: 0 };
}

/** One byte all along. */
export function repeatedByte(byte: number): EndlessBytes {
  return { piece: new Uint8Array(CONSTANTS).fill(byte), from: 0 };
}

export function readEndless({ piece, from }: EndlessBytes, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = (from + offset) % piece.length;
  for (let filled = 0; filled < length; ) {
    const next = piece.subarray(at, Math.min(piece.length, at + length - filled));
    bytes.set(next, filled);
    filled += next.length;
    at = 0;
  }
  return bytes;
}

/** The same each time (Box and Muller 1958). */
export function gaussianNumbers(count: number, deviation: number): Float32Array {
  const random = xoroshiro128plus(SEED);
  const uniform = () => ((random.next() >>> 0) + 0.5) / 2 ** 32;
  return Float32Array.from(
    { length: count },
    () => deviation * Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

/** Far apart, so that matrices of one shape differ. */
function startOf(part: number, count: number): number {
  return (part * 1_000_003) % count;
}
