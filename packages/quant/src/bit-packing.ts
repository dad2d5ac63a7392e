/*
 * Codes of some bits in words of 32, from the lowest bits on. Where a code would go on in the next word there are two ways: compressed-tensors
 * leaves the highest bits of a word empty, GPTQ goes on. Only codes of 3 bits tell them apart.
 */

/** Words of a row of `columns` codes, each in one word. */
export function wordsFor(columns: number, bits: number): number {
  return Math.ceil(columns / Math.floor(32 / bits));
}

/** `[rows, columns]` codes as `[rows, wordsFor(columns)]`: each code in one word. */
export function packInWords(codes: Uint8Array, columns: number, bits: number): Uint32Array {
  const perWord = Math.floor(32 / bits);
  const rowWords = Math.ceil(columns / perWord);
  const rows = codes.length / columns;
  const words = new Uint32Array(rows * rowWords);
  for (let row = 0, at = 0, word = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += perWord, word++) {
      const end = Math.min(columns - column, perWord);
      let packed = 0;
      for (let i = 0; i < end; i++) packed |= (codes[at++] as number) << (bits * i);
      words[word] = packed;
    }
  }
  return words;
}

/** The inverse of `packInWords`. */
export function unpackInWords(words: Uint32Array, columns: number, bits: number): Uint8Array {
  const perWord = Math.floor(32 / bits);
  const rowWords = Math.ceil(columns / perWord);
  const rows = words.length / rowWords;
  const mask = (1 << bits) - 1;
  const codes = new Uint8Array(rows * columns);
  for (let row = 0, at = 0, word = 0; row < rows; row++) {
    for (let column = 0; column < columns; column += perWord, word++) {
      const end = Math.min(columns - column, perWord);
      let packed = words[word] as number;
      for (let i = 0; i < end; i++, packed >>>= bits) codes[at++] = packed & mask;
    }
  }
  return codes;
}

/** Codes one after the other, without empty bits; they must fill whole words. */
export function packBits(codes: Uint8Array, bits: number): Uint32Array {
  const words = new Uint32Array((codes.length * bits) / 32);
  for (let i = 0, bit = 0; i < codes.length; i++, bit += bits) {
    const code = codes[i] as number;
    const word = bit >>> 5;
    const shift = bit & 31;
    words[word] = (words[word] as number) | (code << shift);
    if (shift + bits > 32) words[word + 1] = code >>> (32 - shift);
  }
  return words;
}

/** The inverse of `packBits`. */
export function unpackBits(words: Uint32Array, bits: number): Uint8Array {
  const mask = (1 << bits) - 1;
  const codes = new Uint8Array((words.length * 32) / bits);
  for (let i = 0, bit = 0; i < codes.length; i++, bit += bits) {
    const word = bit >>> 5;
    const shift = bit & 31;
    const low = (words[word] as number) >>> shift;
    codes[i] = (shift + bits > 32 ? low | ((words[word + 1] as number) << (32 - shift)) : low) & mask;
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
