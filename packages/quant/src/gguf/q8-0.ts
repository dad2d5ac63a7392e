import { halvesAt, reciprocal, scaleHalves, signedExtremes } from "./block-scales.ts";

const BLOCK = 32;
const BYTES = 34;

/**
 * Q8_0: 32 weights in 34 bytes, an F16 scale d = absmax / 127 and signed codes that stand for d·code. As ggml's reference quantizer, byte
 * for byte: halves round away from zero.
 * @param weights whole blocks
 */
export function encodeQ8_0(weights: Float32Array): Uint8Array {
  const scales = signedExtremes(weights, BLOCK).map((extreme) => Math.abs(extreme) / 127);
  const halves = scaleHalves(scales);
  const blocks = new Uint8Array(scales.length * BYTES);
  for (let block = 0, at = 0; block < scales.length; block++, at += BYTES) {
    const inverse = reciprocal(scales[block] as number);
    blocks[at] = halves[block] as number;
    blocks[at + 1] = (halves[block] as number) >> 8;
    for (let j = 0, i = block * BLOCK; j < BLOCK; j++, i++) {
      const scaled = Math.fround((weights[i] as number) * inverse);
      blocks[at + 2 + j] = scaled < 0 ? -Math.floor(0.5 - scaled) : Math.floor(scaled + 0.5);
    }
  }
  return blocks;
}

/** Weights that blocks of Q8_0 stand for. */
export function decodeQ8_0(blocks: Uint8Array): Float32Array {
  const scales = halvesAt(blocks, BYTES, 0);
  const weights = new Float32Array(scales.length * BLOCK);
  for (let block = 0, at = 2; block < scales.length; block++, at += BYTES) {
    for (let j = 0, i = block * BLOCK; j < BLOCK; j++, i++) {
      weights[i] = (scales[block] as number) * (((blocks[at + j] as number) << 24) >> 24);
    }
  }
  return weights;
}
