import { halvesAt } from "./block-scales.ts";

const BLOCK = 32;

/** Q4_1: 32 weights in 20 bytes, F16 numbers d and m and codes 0 … 15, laid out as in Q4_0, that stand for d·code + m. */
export function decodeQ4_1(blocks: Uint8Array): Float32Array {
  return decodeAffine(blocks, 20, 4, () => 0);
}

/** Q5_1: 32 weights in 24 bytes, as Q4_1 with a fifth bit of each code in the four bytes before the codes, weight i at bit i. */
export function decodeQ5_1(blocks: Uint8Array): Float32Array {
  return decodeAffine(blocks, 24, 8, (at, i) => ((blocks[at + 4 + (i >> 3)] as number) >> (i & 7)) & 1);
}

/**
 * @param codes where they begin in a block
 * @param fifthBit of weight i of the block at a place
 */
function decodeAffine(
  blocks: Uint8Array,
  blockBytes: number,
  codes: number,
  fifthBit: (at: number, i: number) => number,
): Float32Array {
  const d = halvesAt(blocks, blockBytes, 0);
  const m = halvesAt(blocks, blockBytes, 2);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += blockBytes) {
    for (let i = 0; i < BLOCK; i++) {
      const low = ((blocks[at + codes + (i & 15)] as number) >> ((i >> 4) * 4)) & 15;
      const code = low | (fifthBit(at, i) << 4);
      weights[block * BLOCK + i] = Math.fround((d[block] as number) * code) + (m[block] as number);
    }
  }
  return weights;
}
