import { halvesAt, reciprocal, scaleHalves, signedExtremes } from "./block-scales.ts";

const BLOCK = 32;
const BYTES = 22;

/**
 * Q5_0: 32 weights in 22 bytes, an F16 scale d and codes 0 … 31 that stand for d·(code − 16). Four bytes hold the fifth bit of each code,
 * weight i at bit i; the other four bits lie as in Q4_0. As ggml's reference quantizer, byte for byte.
 * @param weights whole blocks
 */
export function encodeQ5_0(weights: Float32Array): Uint8Array {
  const scales = signedExtremes(weights, BLOCK).map((extreme) => extreme / -16);
  const halves = scaleHalves(scales);
  const blocks = new Uint8Array(scales.length * BYTES);
  for (let block = 0, at = 0; block < scales.length; block++, at += BYTES) {
    const inverse = reciprocal(scales[block] as number);
    blocks[at] = halves[block] as number;
    blocks[at + 1] = (halves[block] as number) >> 8;
    for (let j = 0, i = block * BLOCK; j < 16; j++, i++) {
      const low = code(weights[i] as number, inverse);
      const high = code(weights[i + 16] as number, inverse);
      blocks[at + 6 + j] = (low & 15) | ((high & 15) << 4);
      blocks[at + 2 + (j >> 3)] = (blocks[at + 2 + (j >> 3)] as number) | ((low >> 4) << (j & 7));
      blocks[at + 4 + (j >> 3)] = (blocks[at + 4 + (j >> 3)] as number) | ((high >> 4) << (j & 7));
    }
  }
  return blocks;
}

/** Weights that blocks of Q5_0 stand for. */
export function decodeQ5_0(blocks: Uint8Array): Float32Array {
  const scales = halvesAt(blocks, BYTES, 0);
  const weights = new Float32Array(scales.length * BLOCK);
  for (let block = 0, at = 0; block < scales.length; block++, at += BYTES) {
    for (let j = 0, i = block * BLOCK; j < 16; j++, i++) {
      const pair = blocks[at + 6 + j] as number;
      const lowFifth = ((blocks[at + 2 + (j >> 3)] as number) >> (j & 7)) & 1;
      const highFifth = ((blocks[at + 4 + (j >> 3)] as number) >> (j & 7)) & 1;
      weights[i] = (scales[block] as number) * (((pair & 15) | (lowFifth << 4)) - 16);
      weights[i + 16] = (scales[block] as number) * (((pair >> 4) | (highFifth << 4)) - 16);
    }
  }
  return weights;
}

function code(weight: number, inverse: number): number {
  return Math.min(31, Math.trunc(Math.fround(Math.fround(weight * inverse) + 16.5)));
}
