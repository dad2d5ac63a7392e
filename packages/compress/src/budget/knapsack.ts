/** One of the ways that an item can be taken. */
export interface Choice {
  readonly cost: number;
  readonly loss: number;
}

/** Steps in which costs are counted, so that tables stay small; what rounding to them leaves over is spent afterwards. */
const STEPS = 65_536;

/**
 * One choice of each item, of the least sum of losses whose costs are together at most `budget`: the knapsack problem with one choice of each
 * class, by dynamic programming. Exact where all costs differ by multiples of a 65,536th of the budget that is free.
 * @returns for each item the index of its choice; undefined where the cheapest choices cost more than the budget
 */
export function leastLoss(items: readonly (readonly Choice[])[], budget: number): number[] | undefined {
  const cheapest = items.map((choices) => Math.min(...choices.map(({ cost }) => cost)));
  const free = budget - sumOf(cheapest);
  if (free < 0 || items.some(({ length }) => length === 0)) return undefined;
  const extras = items.map((choices, i) => choices.map(({ cost }) => cost - (cheapest[i] as number)));
  const most = sumOf(extras.map((extra) => Math.max(...extra)));
  const step = Math.max(commonDivisor(extras.flat()), Math.min(free, most) / STEPS);
  // Sums of many steps may come out a hair too large.
  const steps = Math.floor((Math.min(free, most) / step) * (1 + 1e-12));
  let least = new Float64Array(steps + 1);
  const taken = items.map((choices, i) => {
    const next = new Float64Array(steps + 1).fill(Number.POSITIVE_INFINITY);
    const choice = new Uint16Array(steps + 1);
    for (const [c, { loss }] of choices.entries()) {
      const taking = Math.ceil(((extras[i]?.[c] as number) / step) * (1 - 1e-12));
      for (let at = taking; at <= steps; at++) {
        const sum = (least[at - taking] as number) + loss;
        if (sum < (next[at] as number)) {
          next[at] = sum;
          choice[at] = c;
        }
      }
    }
    least = next;
    return { choice, extra: extras[i] as number[] };
  });
  const chosen: number[] = [];
  let at = steps;
  for (const { choice, extra } of [...taken].reverse()) {
    const c = choice[at] as number;
    chosen.unshift(c);
    at -= Math.ceil(((extra[c] as number) / step) * (1 - 1e-12));
  }
  return spentRest(items, chosen, budget);
}

/** Changes choices of single items, the largest gain first, while the budget allows. */
function spentRest(items: readonly (readonly Choice[])[], chosen: number[], budget: number): number[] {
  const costOf = (i: number, c: number) => items[i]?.[c]?.cost as number;
  const lossOf = (i: number, c: number) => items[i]?.[c]?.loss as number;
  for (;;) {
    const left = budget - sumOf(chosen.map((c, i) => costOf(i, c)));
    let best = { item: -1, choice: 0, gain: 0 };
    for (const [item, now] of chosen.entries()) {
      for (const choice of items[item]?.keys() ?? []) {
        const gain = lossOf(item, now) - lossOf(item, choice);
        if (costOf(item, choice) - costOf(item, now) <= left && gain > best.gain)
          best = { item, choice, gain };
      }
    }
    if (best.item < 0) return chosen;
    chosen[best.item] = best.choice;
  }
}

function commonDivisor(numbers: readonly number[]): number {
  let divisor = 0;
  for (const number of numbers) {
    let [a, b] = [divisor, number];
    while (b > 0) [a, b] = [b, a % b];
    divisor = a;
  }
  return Number.isInteger(divisor) ? divisor || 1 : 0;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}
