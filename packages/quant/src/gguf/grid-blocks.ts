import { fromHalves, halvesAt } from "./block-scales.ts";
import { ggmlGrids } from "./ggml-grids.ts";

const BLOCK = 256;

/** The tables, unpacked when they are first asked for: entry after entry. */
const unpacked = new Map<keyof typeof ggmlGrids, Float32Array>();

function grid(name: keyof typeof ggmlGrids): Float32Array {
  const known = unpacked.get(name);
  if (known !== undefined) return known;
  const { values, bits, packed } = ggmlGrids[name];
  const bytes = Uint8Array.from(atob(packed), (character) => character.charCodeAt(0));
  const perByte = 8 / bits;
  const table = new Float32Array(bytes.length * perByte);
  for (let i = 0; i < table.length; i++) {
    table[i] = values[
      ((bytes[Math.floor(i / perByte)] as number) >> ((i % perByte) * bits)) & (2 ** bits - 1)
    ] as 0 | 1 | -1 | 8 | 4 | 3 | 7 | 15 | 36 | 25 | 43 | 12 | 20 | 28 | 44 | 52 | 62 | 5 | 9 | 11 | 13;
  }
  unpacked.set(name, table);
  return table;
}

/** Signs of eight weights by seven bits: the eighth makes the number of minuses even. */
const evenSigns = Uint8Array.from({ length: 128 }, (_, seven) => {
  let parity = 0;
  for (let bits = seven; bits !== 0; bits >>= 1) parity ^= bits & 1;
  return seven | (parity << 7);
});

/** Writes eight weights: entries of a table, of eight numbers or twice four, times a step, with a sign for each bit that is set. */
function signed(
  weights: Float32Array,
  out: number,
  table: Float32Array,
  entries: readonly number[],
  step: number,
  signs: number,
): void {
  const length = 8 / entries.length;
  for (let i = 0; i < 8; i++) {
    const weight =
      step * (table[(entries[Math.floor(i / length)] as number) * length + (i % length)] as number);
    weights[out + i] = (signs >> i) & 1 ? -weight : weight;
  }
}

/**
 * IQ2_XXS: 256 weights in 66 bytes. Each 32 have four entries of a table of 256, and a word with four times seven bits of signs and a scale of 4
 * bits at its top.
 */
export function decodeIQ2_XXS(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 66, 0);
  const table = grid("iq2xxs");
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 2; block < d.length; block++, at += 66) {
    for (let group = 0; group < 8; group++) {
      const from = at + group * 8;
      const word = wordAt(blocks, from + 4);
      const step = Math.fround((d[block] as number) * (0.5 + (word >>> 28))) * 0.25;
      for (let part = 0; part < 4; part++) {
        const signs = evenSigns[(word >>> (7 * part)) & 127] as number;
        signed(
          weights,
          block * BLOCK + group * 32 + part * 8,
          table,
          [blocks[from + part] as number],
          step,
          signs,
        );
      }
    }
  }
  return weights;
}

/** IQ2_XS: 256 weights in 74 bytes. Each eight have 9 bits for an entry of a table of 512 and 7 of signs; each 16 a scale of 4 bits. */
export function decodeIQ2_XS(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 74, 0);
  const table = grid("iq2xs");
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 74) {
    for (let part = 0; part < 32; part++) {
      const code = (blocks[at + 2 + 2 * part] as number) | ((blocks[at + 3 + 2 * part] as number) << 8);
      const step = Math.fround((d[block] as number) * (0.5 + nibble(blocks, at + 66, part >> 1))) * 0.25;
      signed(weights, block * BLOCK + part * 8, table, [code & 511], step, evenSigns[code >> 9] as number);
    }
  }
  return weights;
}

/** IQ2_S: 256 weights in 82 bytes. Each eight have an entry of a table of 1024, 8 bits and 2 apart, and a byte of signs; each 16 a scale. */
export function decodeIQ2_S(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 82, 0);
  const table = grid("iq2s");
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 82) {
    for (let part = 0; part < 32; part++) {
      const high = ((blocks[at + 66 + (part >> 2)] as number) >> ((part & 3) * 2)) & 3;
      const step = Math.fround((d[block] as number) * (0.5 + nibble(blocks, at + 74, part >> 1))) * 0.25;
      const entry = (blocks[at + 2 + part] as number) | (high << 8);
      signed(weights, block * BLOCK + part * 8, table, [entry], step, blocks[at + 34 + part] as number);
    }
  }
  return weights;
}

/** IQ3_XXS: 256 weights in 98 bytes. Each four have an entry of a table of 256; signs and scales of each 32 lie in words as in IQ2_XXS. */
export function decodeIQ3_XXS(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 98, 0);
  const table = grid("iq3xxs");
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 98) {
    for (let part = 0; part < 32; part++) {
      const word = wordAt(blocks, at + 66 + (part >> 2) * 4);
      const step = Math.fround((d[block] as number) * (0.5 + (word >>> 28))) * 0.5;
      const from = at + 2 + 2 * part;
      const signs = evenSigns[(word >>> (7 * (part & 3))) & 127] as number;
      signed(
        weights,
        block * BLOCK + part * 8,
        table,
        [blocks[from] as number, blocks[from + 1] as number],
        step,
        signs,
      );
    }
  }
  return weights;
}

/** IQ3_S: 256 weights in 110 bytes. Each four have an entry of a table of 512, its ninth bit apart; each eight a byte of signs, each 32 a scale. */
export function decodeIQ3_S(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 110, 0);
  const table = grid("iq3s");
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 110) {
    const entry = (i: number) =>
      (blocks[at + 2 + i] as number) | ((((blocks[at + 66 + (i >> 3)] as number) >> (i & 7)) & 1) << 8);
    for (let part = 0; part < 32; part++) {
      const step = Math.fround((d[block] as number) * (1 + 2 * nibble(blocks, at + 106, part >> 2)));
      const entries = [entry(2 * part), entry(2 * part + 1)];
      signed(weights, block * BLOCK + part * 8, table, entries, step, blocks[at + 74 + part] as number);
    }
  }
  return weights;
}

/** What is added to, or taken off, the −1, 0 and 1 of the table of IQ1. */
const DELTA = 0.125;

/**
 * IQ1_S: 256 weights in 50 bytes. Each eight have an entry of a table of 2048; a 16-bit word for each 32 holds three high bits of four entries,
 * a scale of 3 bits, and whether the values move down.
 */
export function decodeIQ1_S(blocks: Uint8Array): Float32Array {
  const d = halvesAt(blocks, 50, 0);
  const table = grid("iq1s");
  const weights = new Float32Array(d.length * BLOCK);
  for (let block = 0, at = 0; block < d.length; block++, at += 50) {
    for (let part = 0; part < 32; part++) {
      const place = at + 34 + (part >> 2) * 2;
      const word = (blocks[place] as number) | ((blocks[place + 1] as number) << 8);
      const step = Math.fround((d[block] as number) * (2 * ((word >> 12) & 7) + 1));
      const entry = (blocks[at + 2 + part] as number) | (((word >> (3 * (part & 3))) & 7) << 8);
      shifted(weights, block * BLOCK + part * 8, table, entry, step, word & 0x8000 ? -DELTA : DELTA);
    }
  }
  return weights;
}

/**
 * IQ1_M: 256 weights in 56 bytes, as IQ1_S with a scale for each 16 and a shift for each eight. The F16 number d is in four pieces, at the tops
 * of four 16-bit words of scales.
 */
export function decodeIQ1_M(blocks: Uint8Array): Float32Array {
  const count = blocks.length / 56;
  const table = grid("iq1s");
  const weights = new Float32Array(count * BLOCK);
  for (let block = 0, at = 0; block < count; block++, at += 56) {
    const word = (i: number) =>
      (blocks[at + 48 + 2 * i] as number) | ((blocks[at + 49 + 2 * i] as number) << 8);
    const half = (word(0) >> 12) | ((word(1) >> 12) << 4) | ((word(2) >> 12) << 8) | ((word(3) >> 12) << 12);
    const [d = 0] = fromHalves(Uint16Array.of(half));
    for (let part = 0; part < 32; part++) {
      const group = part >> 1;
      const scale = (word(group >> 2) >> (3 * (group & 3))) & 7;
      const high = nibble(blocks, at + 32, part);
      const entry = (blocks[at + part] as number) | ((high & 7) << 8);
      const step = Math.fround(d * (2 * scale + 1));
      shifted(weights, block * BLOCK + part * 8, table, entry, step, high & 8 ? -DELTA : DELTA);
    }
  }
  return weights;
}

function shifted(
  weights: Float32Array,
  out: number,
  table: Float32Array,
  entry: number,
  step: number,
  delta: number,
): void {
  for (let i = 0; i < 8; i++) weights[out + i] = step * ((table[entry * 8 + i] as number) + delta);
}

/** Number i of 4 bits, the first in the low half. */
function nibble(blocks: Uint8Array, at: number, i: number): number {
  return ((blocks[at + (i >> 1)] as number) >> ((i & 1) * 4)) & 15;
}

function wordAt(blocks: Uint8Array, at: number): number {
  return (
    (blocks[at] as number) |
    ((blocks[at + 1] as number) << 8) |
    ((blocks[at + 2] as number) << 16) |
    ((blocks[at + 3] as number) << 24)
  );
}
