/*
 * GPTQ and AWQ store the transpose of a linear's matrix, input features down and output features along: words of eight 4-bit numbers go
 * down the input features in GPTQ's files and along the output features in AWQ's.
 */

/** Output feature of a group of eight that the k-th half byte of AWQ's words holds, from the lowest on. */
const AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7] as const;
const ASCENDING = [0, 1, 2, 3, 4, 5, 6, 7] as const;

export type InputMajorFormat = "gptq" | "awq";

/**
 * `qweight` of numbers [out, in / 8] in words of eight input features from the lowest half byte on: Uint32 [in / 8, out] of GPTQ,
 * [in, out / 8] of AWQ.
 */
export function packQweight(format: InputMajorFormat, words: Uint32Array, outputs: number): Uint32Array {
  return format === "gptq"
    ? transposed(words, outputs, words.length / outputs)
    : alongOutputs(words, outputs);
}

/** The inverse of `packQweight`. */
export function unpackQweight(format: InputMajorFormat, qweight: Uint32Array, outputs: number): Uint32Array {
  return format === "gptq"
    ? transposed(qweight, qweight.length / outputs, outputs)
    : downInputs(qweight, outputs);
}

/** `qzeros`, Uint32 [groups, out / 8], of zero points [out, groups]; GPTQ's first format stores each less 1. */
export function packQzeros(format: InputMajorFormat, zeroPoints: Uint8Array, outputs: number): Uint32Array {
  const order = format === "gptq" ? ASCENDING : AWQ_ORDER;
  const less = format === "gptq" ? 1 : 0;
  const groups = zeroPoints.length / outputs;
  const words = new Uint32Array((groups * outputs) / 8);
  for (let word = 0; word < words.length; word++) {
    const group = Math.floor(word / (outputs / 8));
    const first = (word % (outputs / 8)) * 8;
    let bits = 0;
    for (let k = 0; k < 8; k++) {
      const zeroPoint = zeroPoints[(first + (order[k] as number)) * groups + group] as number;
      bits |= ((zeroPoint - less) & 15) << (4 * k);
    }
    words[word] = bits;
  }
  return words;
}

/**
 * The inverse of `packQzeros`.
 * @param less what was subtracted from each before it was stored
 */
export function unpackQzeros(
  format: InputMajorFormat,
  qzeros: Uint32Array,
  outputs: number,
  less: number,
): Uint8Array {
  const order = format === "gptq" ? ASCENDING : AWQ_ORDER;
  const groups = (qzeros.length * 8) / outputs;
  const zeroPoints = new Uint8Array(qzeros.length * 8);
  for (const [word, bits] of qzeros.entries()) {
    const group = Math.floor(word / (outputs / 8));
    const first = (word % (outputs / 8)) * 8;
    for (let k = 0; k < 8; k++) {
      zeroPoints[(first + (order[k] as number)) * groups + group] = ((bits >>> (4 * k)) & 15) + less;
    }
  }
  return zeroPoints;
}

/** [rows, columns] as [columns, rows], by squares that stay in a core's cache. */
export function transposed<T extends Uint32Array | Float32Array>(
  matrix: T,
  rows: number,
  columns: number,
): T {
  const result = new (matrix.constructor as new (length: number) => T)(matrix.length);
  const SIDE = 32;
  for (let top = 0; top < rows; top += SIDE) {
    const bottom = Math.min(rows, top + SIDE);
    for (let left = 0; left < columns; left += SIDE) {
      const right = Math.min(columns, left + SIDE);
      for (let row = top; row < bottom; row++) {
        for (let column = left; column < right; column++)
          result[column * rows + row] = matrix[row * columns + column] as number;
      }
    }
  }
  return result;
}

function alongOutputs(words: Uint32Array, outputs: number): Uint32Array {
  const across = words.length / outputs;
  const result = new Uint32Array(words.length);
  const square = new Int32Array(8);
  for (let column = 0; column < across; column++) {
    for (let eight = 0; eight < outputs / 8; eight++) {
      for (let k = 0; k < 8; k++)
        square[k] = words[(eight * 8 + (AWQ_ORDER[k] as number)) * across + column] as number;
      transposeHalfBytes(square);
      for (let i = 0; i < 8; i++) result[((column * 8 + i) * outputs) / 8 + eight] = square[i] as number;
    }
  }
  return result;
}

function downInputs(qweight: Uint32Array, outputs: number): Uint32Array {
  const across = qweight.length / outputs;
  const result = new Uint32Array(qweight.length);
  const square = new Int32Array(8);
  for (let column = 0; column < across; column++) {
    for (let eight = 0; eight < outputs / 8; eight++) {
      for (let i = 0; i < 8; i++) square[i] = qweight[((column * 8 + i) * outputs) / 8 + eight] as number;
      transposeHalfBytes(square);
      for (let k = 0; k < 8; k++)
        result[(eight * 8 + (AWQ_ORDER[k] as number)) * across + column] = square[k] as number;
    }
  }
  return result;
}

/** Transposes eight words of eight half bytes: quarters are swapped, then quarters of quarters (Hacker's Delight, 2nd edition, 7-3). */
function transposeHalfBytes(words: Int32Array): void {
  let mask = 0x0000ffff;
  for (let distance = 4, shift = 16; distance > 0; distance >>= 1, shift >>= 1, mask ^= mask << shift) {
    for (let k = 0; k < 8; k = (k + distance + 1) & ~distance) {
      const low = words[k] as number;
      const high = words[k + distance] as number;
      const swapped = ((low >>> shift) ^ high) & mask;
      words[k] = low ^ (swapped << shift);
      words[k + distance] = high ^ swapped;
    }
  }
}
