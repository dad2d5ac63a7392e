// Numbers of 3 bits on the card: their two low bits as numbers of 2 bits are stored, 64 to a word of 16 bytes, and the high ones apart.

/**
 * Where the highest bit of a number of 3 bits is among the 32 of its 32 numbers: number n of the 16 whose low bits are in the first (`odd` = 0)
 * or second 32 bits. Few shifts then put the bits of four pairs, n and n + 8, above their low ones, wherever those are.
 */
export function highBit(odd: number, n: number): number {
  const four = 2 * odd + ((n & 7) >> 2);
  return 16 * (n >> 3) + ((highSlots[four] ?? [])[n & 3] as number);
}

const highSlots = [
  [2, 4, 6, 8],
  [3, 5, 7, 9],
  [10, 12, 14, 0],
  [11, 13, 15, 1],
] as const;

/** WGSL: the high bits, shifted so that those of a pair are above its low ones. */
export function raisedHigh(odd: number, pair: number): string {
  const down = highBit(odd, pair) - (2 * (pair % 4) + 2);
  return down === 0 ? "high" : down > 0 ? `(high >> ${down}u)` : `(high << ${-down}u)`;
}

/** Rows of codes of 3 bits, k of them, a multiple of 64, as kernels read them: the words of low bits, and then those of high ones. */
export function planesOf(codes: Uint8Array, k: number): Uint8Array {
  const rows = codes.length / k;
  const lowWords = k / 16;
  const rowWords = lowWords + 4 * Math.ceil(k / 128);
  const words = new Uint32Array(rows * rowWords);
  const places = [0, 1].flatMap((odd) => Array.from({ length: 16 }, (_, n) => highBit(odd, n)));
  for (let row = 0, at = 0; row < rows; row++) {
    let low = row * rowWords;
    let high = low + lowWords;
    for (let begin = 0; begin < k; begin += 32, low += 2, high++) {
      let [first, second, third] = [0, 0, 0];
      for (let i = 0; i < 16; i++) {
        const code = codes[at++] as number;
        first |= (code & 3) << (2 * i);
        third |= (code >> 2) << (places[i] as number);
      }
      for (let i = 0; i < 16; i++) {
        const code = codes[at++] as number;
        second |= (code & 3) << (2 * i);
        third |= (code >> 2) << (places[16 + i] as number);
      }
      words[low] = first;
      words[low + 1] = second;
      words[high] = third;
    }
  }
  return new Uint8Array(words.buffer);
}
