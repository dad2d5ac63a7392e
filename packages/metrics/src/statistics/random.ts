/** Whole numbers drawn evenly, the same everywhere for one seed. */
export interface Random {
  /** A whole number in [0, 2³²). */
  next(): number;
  /** A whole number in [0, count), without bias. */
  below(count: number): number;
}

/** xoshiro128** 1.1 (Blackman and Vigna 2018), its state filled by splitmix32 from the seed. */
export function seededRandom(seed: number): Random {
  let weyl = seed >>> 0;
  const splitmix = () => {
    weyl = (weyl + 0x9e3779b9) >>> 0;
    let bits = Math.imul(weyl ^ (weyl >>> 16), 0x21f0aaad);
    bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97);
    return (bits ^ (bits >>> 15)) >>> 0;
  };
  return xoshiro128([splitmix(), splitmix(), splitmix(), splitmix()]);
}

/** The generator with a state of its own: four words, not all zero. */
export function xoshiro128(state: readonly [number, number, number, number]): Random {
  let [a, b, c, d] = state;
  const next = () => {
    const product = Math.imul(b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = (d << 11) | (d >>> 21);
    return result;
  };
  return {
    next,
    below(count) {
      // What lies past the last whole multiple would favour the small numbers.
      const limit = 2 ** 32 - (2 ** 32 % count);
      let drawn = next();
      while (drawn >= limit) drawn = next();
      return drawn % count;
    },
  };
}
