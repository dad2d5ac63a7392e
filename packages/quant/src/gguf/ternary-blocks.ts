import { halvesAt } from "./block-scales.ts";
import { twoBits } from "./k-blocks.ts";

const BLOCK = 256;
/** Bytes that hold digits of weights next to each other, weights from one digit of a byte to its next, and digits of a byte. */
const runs = [
  { bytes: 32, digits: 5 },
  { bytes: 16, digits: 5 },
  { bytes: 4, digits: 4 },
] as const;

/**
 * TQ1_0: 256 weights of −d, 0 or d in 54 bytes. A byte b holds up to five digits of base 3, so that b / 256 is their fraction: the next digit is
 * the whole part of three times it. The F16 number d comes last.
 */
export function decodeTQ1_0(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 54, 52);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0, out = 0; block < d.length; block++, at += 54) {
    let from = at;
    for (const { bytes, digits } of runs) {
      for (let digit = 0, power = 1; digit < digits; digit++, power *= 3) {
        for (let i = 0; i < bytes; i++) {
          const fraction = ((blocks[from + i] as number) * power) & 255;
          weights[out++] = (d[block] as number) * (((fraction * 3) >> 8) - 1);
        }
      }
      from += bytes;
    }
  }
  return weights;
}

/** TQ2_0: 256 weights of −d, 0, d or 2d in 66 bytes: codes of 2 bits as in Q2_K, less 1, and the F16 number d. */
export function decodeTQ2_0(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 66, 64);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 66) {
    for (let i = 0; i < BLOCK; i++)
      weights[block * BLOCK + i] = (d[block] as number) * (twoBits(blocks, at, i) - 1);
  }
  return weights;
}
