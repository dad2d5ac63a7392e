import { fromHalves, halvesAt, scaleHalves, signedExtremes } from "./block-scales.ts";
import { fitLinear } from "./linear-fit.ts";

const BLOCK = 256;
const BYTES = 210;
const GROUP = 16;
const GROUPS = BLOCK / GROUP;
/** Where the upper two bits, the scales and d begin in a block; the lower four bits come first. */
const UPPER = 128;
const SCALES = 192;
const D = 208;

/**
 * Q6_K: 256 weights in 210 bytes. Sixteen groups of 16, each with a signed scale of 8 bits, which one F16 number d of the block multiplies: a
 * code c of −32 … 31 stands for (d·scale)·c. The fit of each group is ggml's (see `fitLinear`); codes are chosen against the scale as it will
 * be decoded.
 * @param weights whole blocks
 */
export function encodeQ6_K(weights: Float32Array): Uint8Array {
  const count = weights.length / BLOCK;
  const scales = new Float32Array(count * GROUPS);
  fitLinear(weights, GROUP, 32, scales);
  // The scale of largest magnitude is −128 of 8 bits.
  const d = signedExtremes(scales, GROUPS).map((extreme) => extreme / -128);
  const halves = scaleHalves(d);
  const decodedD = fromHalves(halves);

  const blocks = new Uint8Array(count * BYTES);
  for (let block = 0, at = 0; block < count; block++, at += BYTES) {
    blocks[at + D] = halves[block] as number;
    blocks[at + D + 1] = (halves[block] as number) >> 8;
    for (let group = 0; group < GROUPS; group++) {
      const scale =
        d[block] === 0
          ? 0
          : Math.min(127, Math.round((scales[block * GROUPS + group] as number) / (d[block] as number)));
      blocks[at + SCALES + group] = scale;
      const step = (decodedD[block] as number) * scale;
      const inverse = step === 0 ? 0 : 1 / step;
      const first = group * GROUP;
      for (let i = first; i < first + GROUP; i++) {
        const code = Math.round((weights[block * BLOCK + i] as number) * inverse);
        packCode(blocks, at, i, Math.max(-32, Math.min(31, code)) + 32);
      }
    }
  }
  return blocks;
}

/** Weights that blocks of Q6_K stand for. */
export function decodeQ6_K(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, BYTES, D);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += BYTES) {
    for (let i = 0; i < BLOCK; i++) {
      const scale = ((blocks[at + SCALES + (i >> 4)] as number) << 24) >> 24;
      weights[block * BLOCK + i] =
        Math.fround((d[block] as number) * scale) * (codeOfQ6_K(blocks, at, i) - 32);
    }
  }
  return weights;
}

/**
 * Of each half of a block, weights 0 … 63 have their lower four bits in the low halves of 64 bytes and 64 … 127 in the high ones; weights
 * i, i + 32, i + 64 and i + 96 have their upper two bits in byte i of 32, from the low end up.
 */
function packCode(blocks: Uint8Array, at: number, i: number, code: number): void {
  const half = i >> 7;
  blocks[at + half * 64 + (i & 63)] =
    (blocks[at + half * 64 + (i & 63)] as number) | ((code & 15) << (((i >> 6) & 1) * 4));
  blocks[at + UPPER + half * 32 + (i & 31)] =
    (blocks[at + UPPER + half * 32 + (i & 31)] as number) | ((code >> 4) << (((i >> 5) & 3) * 2));
}

/** A code of 0 … 63, 32 of which stand for zero. */
export function codeOfQ6_K(blocks: Uint8Array, at: number, i: number): number {
  const half = i >> 7;
  const low = ((blocks[at + half * 64 + (i & 63)] as number) >> (((i >> 6) & 1) * 4)) & 15;
  const upper = ((blocks[at + UPPER + half * 32 + (i & 31)] as number) >> (((i >> 5) & 3) * 2)) & 3;
  return low | (upper << 4);
}
