import { halvesAt, reciprocal, scaleHalves, signedExtremes } from "./block-scales.ts";

const BLOCK = 32;
const BYTES = 18;

/**
 * Q4_0: 32 weights in 18 bytes, an F16 scale d and codes 0 … 15 that stand for d·(code − 8). The weight of largest magnitude, sign and all,
 * is code 0. Byte j of the codes holds weight j low and weight j + 16 high. As ggml's reference quantizer, byte for byte.
 * @param weights whole blocks
 */
export function encodeQ4_0(weights: Float32Array): Uint8Array {
  const scales = signedExtremes(weights, BLOCK).map((extreme) => extreme / -8);
  const halves = scaleHalves(scales);
  const blocks = new Uint8Array(scales.length * BYTES);
  for (let block = 0, at = 0; block < scales.length; block++, at += BYTES) {
    const inverse = reciprocal(scales[block] as number);
    blocks[at] = halves[block] as number;
    blocks[at + 1] = (halves[block] as number) >> 8;
    for (let j = 0, i = block * BLOCK; j < 16; j++, i++) {
      const low = code(weights[i] as number, inverse);
      const high = code(weights[i + 16] as number, inverse);
      blocks[at + 2 + j] = low | (high << 4);
    }
  }
  return blocks;
}

/** Weights that blocks of Q4_0 stand for. */
export function decodeQ4_0(blocks: Uint8Array): Float32Array {
  const scales = halvesAt(blocks, BYTES, 0);
  const weights = new Float32Array(scales.length * BLOCK);
  for (let block = 0, at = 2; block < scales.length; block++, at += BYTES) {
    for (let j = 0, i = block * BLOCK; j < 16; j++, i++) {
      const pair = blocks[at + j] as number;
      weights[i] = (scales[block] as number) * ((pair & 15) - 8);
      weights[i + 16] = (scales[block] as number) * ((pair >> 4) - 8);
    }
  }
  return weights;
}

function code(weight: number, inverse: number): number {
  return Math.min(15, Math.trunc(Math.fround(Math.fround(weight * inverse) + 8.5)));
}
