/*
 * Codes of some bits in words of 32, one after the other from the lowest bit on, without empty bits between them: a code may go on in the
 * next word. Rows begin words of their own.
 */

/** Words of a row of `columns` codes. */
export function wordsFor(columns: number, bits: number): number {
  return Math.ceil((columns * bits) / 32);
}

/** `[rows, columns]` codes as words `[rows, wordsFor(columns)]`. */
export function packBits(codes: Uint8Array, columns: number, bits: number): Uint32Array {
  const rowWords = wordsFor(columns, bits);
  const rows = codes.length / columns;
  const words = new Uint32Array(rows * rowWords);
  for (let row = 0, at = 0; row < rows; row++) {
    let word = row * rowWords;
    let packed = 0;
    let filled = 0;
    for (let column = 0; column < columns; column++) {
      const code = codes[at++] as number;
      packed |= code << filled;
      filled += bits;
      if (filled < 32) continue;
      words[word++] = packed;
      filled -= 32;
      packed = code >>> (bits - filled);
    }
    if (filled > 0) words[word] = packed;
  }
  return words;
}

/** The inverse of `packBits`. */
export function unpackBits(words: Uint32Array, columns: number, bits: number): Uint8Array {
  const rowWords = wordsFor(columns, bits);
  const rows = words.length / rowWords;
  const mask = (1 << bits) - 1;
  const codes = new Uint8Array(rows * columns);
  for (let row = 0, at = 0; row < rows; row++) {
    let word = row * rowWords;
    let left = words[word++] as number;
    let bitsLeft = 32;
    for (let column = 0; column < columns; column++) {
      if (bitsLeft >= bits) {
        codes[at++] = left & mask;
        left >>>= bits;
        bitsLeft -= bits;
      } else {
        const next = (words[word++] ?? 0) as number;
        codes[at++] = (left | (next << bitsLeft)) & mask;
        left = next >>> (bits - bitsLeft);
        bitsLeft += 32 - bits;
      }
    }
  }
  return codes;
}

/** `[rows, columns]` as `[columns, rows]`, by squares that stay in a core's cache. */
export function transposed<T extends Uint8Array | Uint32Array | Float32Array>(
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
