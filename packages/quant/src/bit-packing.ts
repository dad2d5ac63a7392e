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
  if (bits === 8 && columns % 4 === 0) {
    new Uint8Array(words.buffer).set(codes);
    return words;
  }
  if (bits <= 4 && columns % 4 === 0 && codes.byteOffset % 4 === 0) {
    packFours(new Uint32Array(codes.buffer, codes.byteOffset, codes.length / 4), columns / 4, bits, words);
    return words;
  }
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

/** The same of codes of up to 4 bits, four of them read at a time. */
function packFours(fours: Uint32Array, rowFours: number, bits: number, words: Uint32Array): void {
  const near = 8 - bits;
  const far = 16 - 2 * bits;
  const pairs = ((1 << (2 * bits)) - 1) * 0x00010001;
  const all = (1 << (4 * bits)) - 1;
  for (let at = 0, word = 0; at < fours.length; ) {
    let packed = 0;
    let filled = 0;
    for (const end = at + rowFours; at < end; at++) {
      const four = fours[at] as number;
      const two = (four | (four >>> near)) & pairs;
      const one = (two | (two >>> far)) & all;
      packed |= one << filled;
      filled += 4 * bits;
      if (filled < 32) continue;
      words[word++] = packed;
      filled -= 32;
      packed = filled === 0 ? 0 : one >>> (4 * bits - filled);
    }
    if (filled > 0) words[word++] = packed;
  }
}

/** The inverse of `packBits`. */
export function unpackBits(words: Uint32Array, columns: number, bits: number): Uint8Array {
  const rowWords = wordsFor(columns, bits);
  const rows = words.length / rowWords;
  const mask = (1 << bits) - 1;
  const codes = new Uint8Array(rows * columns);
  if (bits === 8 && columns % 4 === 0) {
    codes.set(new Uint8Array(words.buffer, words.byteOffset, codes.length));
    return codes;
  }
  if (bits <= 4 && columns % 4 === 0) {
    unpackFours(words, new Uint32Array(codes.buffer), columns / 4, bits);
    return codes;
  }
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

function unpackFours(words: Uint32Array, fours: Uint32Array, rowFours: number, bits: number): void {
  const near = 8 - bits;
  const far = 16 - 2 * bits;
  const pairs = ((1 << (2 * bits)) - 1) * 0x00010001;
  const singles = ((1 << bits) - 1) * 0x01010101;
  for (let at = 0, word = 0; at < fours.length; ) {
    let left = words[word++] as number;
    let bitsLeft = 32;
    for (const end = at + rowFours; at < end; at++) {
      let four = left;
      if (bitsLeft >= 4 * bits) {
        left >>>= 4 * bits;
        bitsLeft -= 4 * bits;
      } else {
        const next = words[word++] as number;
        if (bitsLeft > 0) four |= next << bitsLeft;
        else four = next;
        left = next >>> (4 * bits - bitsLeft);
        bitsLeft += 32 - 4 * bits;
      }
      const one = four & ((1 << (4 * bits)) - 1);
      const two = (one | (one << far)) & pairs;
      fours[at] = (two | (two << near)) & singles;
    }
  }
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
