import { fitAffine } from "./affine-fit.ts";
import { fromHalves, halvesAt, scaleHalves } from "./block-scales.ts";

const BLOCK = 256;
const BYTES = 144;
const GROUP = 32;
const GROUPS = BLOCK / GROUP;
/** Where the 12 bytes of 6-bit scales and offsets, and the codes, begin in a block. */
const SCALES = 4;
const CODES = 16;

/**
 * Q4_K: 256 weights in 144 bytes. Eight groups of 32, each with a scale and an offset of 6 bits, which two F16 numbers d and dmin of the
 * block multiply: a code c of 0 … 15 stands for (d·scale)·c − dmin·offset. The fit of each group is ggml's (see `fitAffine`); codes are chosen
 * against scale and offset as they will be decoded.
 * @param weights whole blocks
 */
export function encodeQ4_K(weights: Float32Array): Uint8Array {
  const count = weights.length / BLOCK;
  const scales = new Float32Array(count * GROUPS);
  const offsets = new Float32Array(count * GROUPS);
  fitAffine(weights, GROUP, 15, scales, offsets);
  const d = largestOfEach(scales).map((largest) => largest / 63);
  const dmin = largestOfEach(offsets).map((largest) => largest / 63);
  const dHalves = scaleHalves(d);
  const dminHalves = scaleHalves(dmin);
  const decodedD = fromHalves(dHalves);
  const decodedDmin = fromHalves(dminHalves);

  const blocks = new Uint8Array(count * BYTES);
  for (let block = 0, at = 0; block < count; block++, at += BYTES) {
    blocks[at] = dHalves[block] as number;
    blocks[at + 1] = (dHalves[block] as number) >> 8;
    blocks[at + 2] = dminHalves[block] as number;
    blocks[at + 3] = (dminHalves[block] as number) >> 8;
    for (let group = 0; group < GROUPS; group++) {
      const scale = sixBits(scales[block * GROUPS + group] as number, d[block] as number);
      const offset = sixBits(offsets[block * GROUPS + group] as number, dmin[block] as number);
      packSixBits(blocks, at + SCALES, group, scale, offset);
      const step = (decodedD[block] as number) * scale;
      const inverse = step === 0 ? 0 : 1 / step;
      const lowest = (decodedDmin[block] as number) * offset;
      // Two groups share 32 bytes: the even one lies in the low halves.
      const out = at + CODES + (group >> 1) * GROUP;
      const shift = (group & 1) * 4;
      const first = block * BLOCK + group * GROUP;
      for (let i = 0; i < GROUP; i++) {
        const code = Math.floor(((weights[first + i] as number) + lowest) * inverse + 0.5);
        blocks[out + i] = (blocks[out + i] as number) | (Math.max(0, Math.min(15, code)) << shift);
      }
    }
  }
  return blocks;
}

/** Weights that blocks of Q4_K stand for. */
export function decodeQ4_K(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, BYTES, 0);
  const dmin = halvesAt(blocks, BYTES, 2);
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += BYTES) {
    for (let group = 0; group < GROUPS; group++) {
      const step = Math.fround((d[block] as number) * scaleOf(blocks, at + SCALES, group));
      const lowest = Math.fround((dmin[block] as number) * offsetOf(blocks, at + SCALES, group));
      const from = at + CODES + (group >> 1) * GROUP;
      const shift = (group & 1) * 4;
      const first = block * BLOCK + group * GROUP;
      for (let i = 0; i < GROUP; i++) {
        weights[first + i] = Math.fround(step * (((blocks[from + i] as number) >> shift) & 15)) - lowest;
      }
    }
  }
  return weights;
}

/** Of each block the largest number of its groups. None is negative. */
function largestOfEach(numbers: Float32Array): Float32Array {
  const largest = new Float32Array(numbers.length / GROUPS);
  for (let i = 0; i < numbers.length; i++) {
    const block = Math.floor(i / GROUPS);
    if ((numbers[i] as number) > (largest[block] as number)) largest[block] = numbers[i] as number;
  }
  return largest;
}

function sixBits(value: number, unit: number): number {
  return unit === 0 ? 0 : Math.max(0, Math.min(63, Math.floor(value / unit + 0.5)));
}

/**
 * Groups 0 … 3 have the low 6 bits of bytes 0 … 3 (scales) and 4 … 7 (offsets); groups 4 … 7 have their low 4 bits in bytes 8 … 11 and the
 * other two atop bytes 0 … 7.
 */
function packSixBits(blocks: Uint8Array, at: number, group: number, scale: number, offset: number): void {
  if (group < 4) {
    blocks[at + group] = (blocks[at + group] as number) | scale;
    blocks[at + group + 4] = (blocks[at + group + 4] as number) | offset;
    return;
  }
  blocks[at + group + 4] = (scale & 15) | ((offset & 15) << 4);
  blocks[at + group - 4] = (blocks[at + group - 4] as number) | ((scale >> 4) << 6);
  blocks[at + group] = (blocks[at + group] as number) | ((offset >> 4) << 6);
}

/** The 6-bit scale of a group, from 12 bytes of them. */
export function scaleOf(blocks: Uint8Array, at: number, group: number): number {
  return group < 4
    ? (blocks[at + group] as number) & 63
    : ((blocks[at + group + 4] as number) & 15) | (((blocks[at + group - 4] as number) >> 6) << 4);
}

/** Likewise. */
export function offsetOf(blocks: Uint8Array, at: number, group: number): number {
  return group < 4
    ? (blocks[at + group + 4] as number) & 63
    : ((blocks[at + group + 4] as number) >> 4) | (((blocks[at + group] as number) >> 6) << 4);
}
