import { expect, test } from "vitest";
import type { Run } from "../records/run-folder.ts";
import { compareRuns } from "./compare-runs.ts";

const run = (folder: string, variant: string, scores: readonly number[]) =>
  ({
    folder,
    items: scores.map((meteor, i) => ({
      variant,
      id: String(i),
      scores: { meteor, "meteor-precision": meteor },
    })),
  }) as unknown as Run;

test("answers that are better one by one differ by more than chance", () => {
  const worse = run("a", "dense", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]);
  const better = run("b", "dense", [0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
  const [comparison, ...others] = compareRuns(worse, better);
  expect(others).toEqual([]);
  expect(comparison).toMatchObject({ variant: "dense", figure: "meteor", items: 8 });
  expect(comparison?.difference).toBeCloseTo(0.1, 12);
  // Two of 2⁸ ways to swap eight pairs differ so much.
  expect(comparison?.p).toBeCloseTo(2 / 256, 12);
  expect(comparison?.exact).toBe(true);
});

test("right and wrong answers are compared by McNemar's exact test", () => {
  // 20 right in the first run alone, 9 in the second alone: .0614 by statsmodels' mcnemar(exact=True).
  const first = [...Array(20).fill(1), ...Array(9).fill(0), ...Array(40).fill(1)];
  const second = [...Array(20).fill(0), ...Array(9).fill(1), ...Array(40).fill(1)];
  const [comparison] = compareRuns(run("a", "dense", first), run("b", "dense", second));
  expect(comparison?.p).toBeCloseTo(0.06142834573984146, 12);
});

test("one question, or an answer without a number, is no comparison", () => {
  expect(() => compareRuns(run("a", "dense", [1]), run("b", "dense", [0]))).toThrow(
    "dense: a and b share 1 answered question, and a test needs at least 2",
  );
  const broken = run("b", "dense", [0.5, Number.NaN, 0.1]);
  expect(() => compareRuns(run("a", "dense", [1, 0, 0]), broken)).toThrow(
    "dense: the answer to question 1 has NaN for meteor",
  );
});

test("equal answers do not differ", () => {
  const same = run("a", "dense", [0.1, 0.9, 0.4]);
  expect(compareRuns(same, same)).toMatchObject([{ difference: 0, p: 1, pHolm: 1 }]);
});

test("runs without a common variant cannot be compared", () => {
  expect(() => compareRuns(run("a", "dense", [1]), run("b", "GLU 10", [1]))).toThrow(
    "a and b share no variant that answered the same questions",
  );
});
