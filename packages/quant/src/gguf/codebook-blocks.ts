import { halvesAt } from "./block-scales.ts";

/** What the codes of IQ4_NL and IQ4_XS stand for. */
const nonlinear = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const;
/** Twice what the codes of E2M1 stand for; ggml's negative zero is a plain one. */
const doubledE2m1 = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const;

/** IQ4_NL: 32 weights in 18 bytes, an F16 number d and codes of 16 uneven values, laid out as in Q4_0. */
export function decodeIQ4_NL(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 18, 0);
  const weights = new Float32Array(d.length * 32);
  for (let block = 0; block < d.length; block++) {
    lookUp(weights, block * 32, 32, blocks, block * 18 + 2, nonlinear, d[block] as number);
  }
  return weights;
}

/**
 * IQ4_XS: 256 weights in 136 bytes. Eight groups of 32 codes as in IQ4_NL, each with a scale of 6 bits less 32: the two high bits of all come
 * first, then the four low ones.
 */
export function decodeIQ4_XS(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 136, 0);
  const weights = new Float32Array(d.length * 256);
  for (let block = 0, at = 0; block < d.length; block++, at += 136) {
    for (let group = 0; group < 8; group++) {
      const low = ((blocks[at + 4 + (group >> 1)] as number) >> ((group & 1) * 4)) & 15;
      const high = ((blocks[at + 2 + (group >> 2)] as number) >> ((group & 3) * 2)) & 3;
      const step = Math.fround((d[block] as number) * ((low | (high << 4)) - 32));
      lookUp(weights, block * 256 + group * 32, 32, blocks, at + 8 + group * 16, nonlinear, step);
    }
  }
  return weights;
}

/** MXFP4: 32 weights in 17 bytes, an exponent of two in a byte and numbers of E2M1, laid out as in Q4_0. */
export function decodeMXFP4(blocks: Uint8Array): Float32Array {
  const count = blocks.length / 17;
  const weights = new Float32Array(count * 32);
  for (let block = 0; block < count; block++) {
    // Half the scale, since the values are doubled.
    const step = 2 ** ((blocks[block * 17] as number) - 128);
    lookUp(weights, block * 32, 32, blocks, block * 17 + 1, doubledE2m1, step);
  }
  return weights;
}

/** NVFP4: 64 weights in 36 bytes, four scales in E4M3 without a sign and 16 numbers of E2M1 under each, low halves first. */
export function decodeNVFP4(blocks: Uint8Array): Float32Array {
  const count = blocks.length / 36;
  const weights = new Float32Array(count * 64);
  for (let block = 0; block < count; block++) {
    for (let group = 0; group < 4; group++) {
      const step = unsignedE4m3(blocks[block * 36 + group] as number) / 2;
      lookUp(weights, block * 64 + group * 16, 16, blocks, block * 36 + 4 + group * 8, doubledE2m1, step);
    }
  }
  return weights;
}

/** `count` weights: the first half's codes in the low halves of bytes, the second's in the high ones. */
function lookUp(
  weights: Float32Array,
  out: number,
  count: number,
  blocks: Uint8Array,
  at: number,
  values: readonly number[],
  step: number,
): void {
  const half = count / 2;
  for (let j = 0; j < half; j++) {
    weights[out + j] = step * (values[(blocks[at + j] as number) & 15] as number);
    weights[out + half + j] = step * (values[(blocks[at + j] as number) >> 4] as number);
  }
}

/** Its eighth bit is not looked at; NaN counts as zero, as ggml has it. */
function unsignedE4m3(code: number): number {
  if (code === 0x7f) return 0;
  const exponent = (code >> 3) & 15;
  const mantissa = code & 7;
  return exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7);
}
