import { halvesAt } from "./block-scales.ts";
import { offsetOf, scaleOf } from "./q4-k.ts";

const BLOCK = 256;

/**
 * Q2_K: 256 weights in 84 bytes. Sixteen groups of 16, each with a scale and an offset of 4 bits in a byte, codes of 2 bits, and F16 numbers d
 * and dmin at the end: a code stands for (d·scale)·code − dmin·offset.
 */
export function decodeQ2_K(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 84, 80);
  const dmin = halvesAt(blocks, 84, 82);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 84) {
    for (let group = 0; group < 16; group++) {
      const step = Math.fround((d[block] as number) * ((blocks[at + group] as number) & 15));
      const lowest = Math.fround((dmin[block] as number) * ((blocks[at + group] as number) >> 4));
      for (let i = group * 16; i < group * 16 + 16; i++) {
        weights[block * BLOCK + i] = Math.fround(step * twoBits(blocks, at + 16, i)) - lowest;
      }
    }
  }
  return weights;
}

/**
 * Q3_K: 256 weights in 110 bytes. Sixteen groups of 16, each with a scale of 6 bits less 32; of each code −4 … 3 the highest bit lies apart, and
 * takes 4 off where it is not set. The F16 number d comes last.
 */
export function decodeQ3_K(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 110, 108);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 110) {
    for (let group = 0; group < 16; group++) {
      const low = ((blocks[at + 96 + (group & 7)] as number) >> ((group >> 3) * 4)) & 15;
      const high = ((blocks[at + 104 + (group & 3)] as number) >> ((group >> 2) * 2)) & 3;
      const step = Math.fround((d[block] as number) * ((low | (high << 4)) - 32));
      for (let i = group * 16; i < group * 16 + 16; i++) {
        const isHigh = ((blocks[at + (i & 31)] as number) >> (i >> 5)) & 1;
        weights[block * BLOCK + i] = step * (twoBits(blocks, at + 32, i) - (isHigh ? 0 : 4));
      }
    }
  }
  return weights;
}

/** Q5_K: 256 weights in 176 bytes, as Q4_K with a fifth bit of each code in 32 bytes before the codes: bit g of byte i for weight i of group g. */
export function decodeQ5_K(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 176, 0);
  const dmin = halvesAt(blocks, 176, 2);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 176) {
    for (let group = 0; group < 8; group++) {
      const step = Math.fround((d[block] as number) * scaleOf(blocks, at + 4, group));
      const lowest = Math.fround((dmin[block] as number) * offsetOf(blocks, at + 4, group));
      for (let i = 0; i < 32; i++) {
        const low = ((blocks[at + 48 + (group >> 1) * 32 + i] as number) >> ((group & 1) * 4)) & 15;
        const code = low | ((((blocks[at + 16 + i] as number) >> group) & 1) << 4);
        weights[block * BLOCK + group * 32 + i] = Math.fround(step * code) - lowest;
      }
    }
  }
  return weights;
}

/** Q8_K: 256 weights in 292 bytes, an F32 number d and signed bytes that stand for d·code; sums of groups follow, which products use. */
export function decodeQ8_K(blocks: Uint8Array): Float32Array {
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength);
  const weights = new Float32Array((blocks.length / 292) * BLOCK);
  for (let at = 0, out = 0; at < blocks.length; at += 292) {
    const d = view.getFloat32(at, true);
    for (let i = 0; i < BLOCK; i++) weights[out++] = d * view.getInt8(at + 4 + i);
  }
  return weights;
}

/** Of 256 codes of 2 bits: in each half of a block, byte j holds those of weights j, j + 32, j + 64 and j + 96, from the low end up. */
export function twoBits(blocks: Uint8Array, at: number, i: number): number {
  return ((blocks[at + (i >> 7) * 32 + (i & 31)] as number) >> (((i >> 5) & 3) * 2)) & 3;
}
