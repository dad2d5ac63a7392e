/**
 * Element types of safetensors 0.8, by ascending alignment: the order in which the format's own writer sorts tensors
 * (widest first, so that every tensor starts at a multiple of its element size).
 */
const bitsByDtype = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
} as const;

/** Element type, as a safetensors header spells it. */
export type Dtype = keyof typeof bitsByDtype;

/** Every element type, by ascending alignment. */
export const dtypes = Object.keys(bitsByDtype) as readonly Dtype[];

const rankByDtype = new Map(dtypes.map((dtype, rank) => [dtype, rank]));

/** Place of `dtype` in the writer's order; a greater rank is written earlier. */
export function alignmentRank(dtype: Dtype): number {
  return rankByDtype.get(dtype) ?? 0;
}

export function isDtype(text: string): text is Dtype {
  return Object.hasOwn(bitsByDtype, text);
}

/** Bits of one element; 4 and 6 for the sub-byte floats. */
export function bitsPerElement(dtype: Dtype): number {
  return bitsByDtype[dtype];
}

/**
 * Elements of a tensor of `shape`; 1 for a scalar (`[]`). Infinity stands for a count past 2^53, which no file can hold.
 */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const size of shape) count *= size;
  return Number.isSafeInteger(count) ? count : Number.POSITIVE_INFINITY;
}

/** Bytes of a tensor; a fraction where a sub-byte dtype does not fill its last byte. */
export function byteLengthOf(dtype: Dtype, shape: readonly number[]): number {
  return (elementCount(shape) * bitsPerElement(dtype)) / 8;
}
