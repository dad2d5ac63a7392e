import { expect, test } from "vitest";
import { type Choice, leastLoss } from "./knapsack.ts";

/** Numbers from 0 to 1, the same ones each time. */
function noise(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** By trying all. */
function leastByTrying(items: readonly (readonly Choice[])[], budget: number): number {
  const [first, ...others] = items;
  if (first === undefined) return budget < 0 ? Number.POSITIVE_INFINITY : 0;
  return Math.min(...first.map(({ cost, loss }) => loss + leastByTrying(others, budget - cost)));
}

const total = (items: readonly (readonly Choice[])[], chosen: readonly number[], of: keyof Choice) =>
  chosen.reduce((sum, c, i) => sum + (items[i]?.[c]?.[of] ?? Number.NaN), 0);

test("the least loss within a budget is that of trying all", () => {
  const random = noise(7);
  for (let run = 0; run < 50; run++) {
    const items = Array.from({ length: 6 }, () =>
      Array.from({ length: 1 + Math.floor(4 * random()) }, () => ({
        cost: 1 + Math.floor(50 * random()),
        loss: random(),
      })),
    );
    const cheapest = items.reduce((sum, item) => sum + Math.min(...item.map(({ cost }) => cost)), 0);
    const budget = cheapest + Math.floor(120 * random());
    const chosen = leastLoss(items, budget) ?? [];
    expect(total(items, chosen, "cost")).toBeLessThanOrEqual(budget);
    expect(total(items, chosen, "loss")).toBeCloseTo(leastByTrying(items, budget), 12);
  }
});

test("costs that no step divides stay within the budget, and nothing that fits is left", () => {
  const random = noise(3);
  const items = Array.from({ length: 200 }, () => {
    const weights = 1 + Math.floor(1e6 * random());
    const loss = random();
    return [2.25, 3.25, 4.25, 8.1].map((bits) => ({ cost: bits * weights, loss: loss * 4 ** -bits }));
  });
  const weights = items.reduce((sum, [choice]) => sum + (choice?.cost ?? 0) / 2.25, 0);
  const budget = 3.5 * weights;
  const chosen = leastLoss(items, budget) ?? [];
  const spent = total(items, chosen, "cost");
  expect(spent).toBeLessThanOrEqual(budget);
  expect(spent).toBeGreaterThan(0.9999 * budget);
});

test("a budget for all takes the best of each, one for less than the least takes nothing", () => {
  const items = [
    [
      { cost: 2, loss: 4 },
      { cost: 3, loss: 1 },
      { cost: 4, loss: 2 },
    ],
    [
      { cost: 1, loss: 9 },
      { cost: 8, loss: 0 },
    ],
  ];
  expect(leastLoss(items, 1e9)).toEqual([1, 1]);
  expect(leastLoss(items, 4)).toEqual([1, 0]);
  expect(leastLoss(items, 3)).toEqual([0, 0]);
  expect(leastLoss(items, 2.9)).toBeUndefined();
  expect(leastLoss([], 0)).toEqual([]);
});
