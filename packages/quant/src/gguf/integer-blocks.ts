import { halvesAt } from "./block-scales.ts";
import type { GgmlType } from "./ggml-type.ts";
import { codeOfQ6_K } from "./q6-k.ts";

/** Types whose weights are whole numbers, 8 or 128 less as bits have it, times a scale that a few neighbours share. */
const integerTypes = ["Q4_0", "Q8_0", "Q6_K"] as const;
export type IntegerType = (typeof integerTypes)[number];

export function isIntegerType(type: GgmlType): type is IntegerType {
  return (integerTypes as readonly string[]).includes(type);
}

/** Codes, a byte each, and scales: 8 is the zero of Q4_0's, 128 that of the others'. */
export function integersOfBlocks(
  type: IntegerType,
  blocks: Uint8Array,
): { readonly codes: Uint8Array; readonly scales: Float32Array } {
  switch (type) {
    case "Q4_0":
      return integersOfQ4_0(blocks);
    case "Q8_0":
      return integersOfQ8_0(blocks);
    case "Q6_K":
      return integersOfQ6_K(blocks);
  }
}

function integersOfQ4_0(blocks: Uint8Array) {
  const scales = halvesAt(blocks, 18, 0);
  const codes = new Uint8Array(scales.length * 32);
  for (let block = 0, at = 2; block < scales.length; block++, at += 18) {
    for (let j = 0; j < 16; j++) {
      codes[block * 32 + j] = (blocks[at + j] as number) & 15;
      codes[block * 32 + 16 + j] = (blocks[at + j] as number) >> 4;
    }
  }
  return { codes, scales };
}

function integersOfQ8_0(blocks: Uint8Array) {
  const scales = halvesAt(blocks, 34, 0);
  const codes = new Uint8Array(scales.length * 32);
  for (let block = 0; block < scales.length; block++) {
    for (let j = 0; j < 32; j++) codes[block * 32 + j] = (blocks[block * 34 + 2 + j] as number) ^ 0x80;
  }
  return { codes, scales };
}

function integersOfQ6_K(blocks: Uint8Array) {
  const d = halvesAt(blocks, 210, 208);
  const codes = new Uint8Array(d.length * 256);
  const scales = new Float32Array(d.length * 16);
  for (let block = 0, at = 0; block < d.length; block++, at += 210) {
    for (let group = 0; group < 16; group++) {
      scales[block * 16 + group] =
        (d[block] as number) * (((blocks[at + 192 + group] as number) << 24) >> 24);
    }
    for (let i = 0; i < 256; i++) codes[block * 256 + i] = codeOfQ6_K(blocks, at, i) + 96;
  }
  return { codes, scales };
}
