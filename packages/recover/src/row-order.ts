/**
 * Rows of a step: every row comes once before any comes again, in another order each time. Only the step's number decides.
 * @param step from 0
 */
export function rowsOfStep(step: number, batch: number, rows: number, seed: number): number[] {
  const found: number[] = [];
  let epoch = -1;
  let order: number[] = [];
  for (let place = step * batch; found.length < batch; place++) {
    const now = Math.floor(place / rows);
    if (now !== epoch) {
      epoch = now;
      order = shuffled(rows, seed * 1_000_003 + epoch);
    }
    found.push(order[place % rows] as number);
  }
  return found;
}

/** Fisher and Yates's shuffle. */
function shuffled(count: number, seed: number): number[] {
  const random = randomNumbers(seed);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [order[i], order[other]] = [order[other] as number, order[i] as number];
  }
  return order;
}

/** Numbers from 0 to below 1: splitmix32. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let x = state ^ (state >>> 16);
    x = Math.imul(x, 0x21f0aaad);
    x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
    return ((x ^ (x >>> 15)) >>> 0) / 2 ** 32;
  };
}
