import { bitsPerElement, type Dtype } from "@vlmopt/tensor-io";
import { PruningError } from "../prunable.ts";

/**
 * Magnitudes of floats as integers: without their sign, the bit patterns of a format are in the order of the numbers. They are counted
 * in two steps of at most 16 bits, so that the count of any threshold is exact and small.
 */
export interface MagnitudeBits {
  /** Elements as unsigned words, and what of a word is magnitude. */
  readonly wordBytes: 2 | 4;
  readonly mask: number;
  /** Bits below those that the first step counts: 0 where one step is enough. */
  readonly lowBits: 0 | 16;
}

/** Bins of one step. */
export const BINS = 65_536;

/** @throws {PruningError} for dtypes whose patterns are not floats of 16 or 32 bits */
export function magnitudeBits(dtype: Dtype, tensor: string): MagnitudeBits {
  if (dtype === "BF16" || dtype === "F16") return { wordBytes: 2, mask: 0x7fff, lowBits: 0 };
  if (dtype === "F32") return { wordBytes: 4, mask: 0x7fffffff, lowBits: 16 };
  throw new PruningError(
    `${tensor} is ${dtype} (${bitsPerElement(dtype)} bits); weights of BF16, F16 and F32 can be zeroed`,
  );
}

/** Elements as words; copied where the bytes do not lie on a word's boundary. */
export function wordsOf(bytes: Uint8Array, { wordBytes }: MagnitudeBits): Uint16Array | Uint32Array {
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % wordBytes === 0 ? bytes : bytes.slice();
  return wordBytes === 2
    ? new Uint16Array(buffer, byteOffset, byteLength / 2)
    : new Uint32Array(buffer, byteOffset, byteLength / 4);
}
