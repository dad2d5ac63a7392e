import { resolve } from "node:path";
import { expect, test } from "vitest";
import { readRun } from "../records/run-folder.ts";
import type { QualityFigure, Retention, VariantSummary, Versus } from "../records/run-summary.ts";
import { chanceIn } from "./chance.ts";
import { verdictOf, verdictText } from "./verdict.ts";

const { summary } = await readRun(resolve(import.meta.dirname, "../../goldens/example-run"));
const dense = summary.variants[0] as VariantSummary;
const figure = (
  name: string,
  retention: Partial<Retention> | null,
  versus: Versus | null = null,
): QualityFigure => ({
  ...{ metric: name, figure: name, score: 0.5, low: 0.4, high: 0.6, signature: name, versus },
  retention: retention && { ofDense: 1, aboveFloor: 1, low: 1, high: 1, floor: 0.2, ...retention },
});
const made = (
  name: string,
  bytes: number,
  retention: Partial<Retention>,
  versus: Versus | null = null,
): VariantSummary => ({
  ...dense,
  ...{ name, base: "dense", size: { bytes, parameters: 1, bitsPerWeight: 8 } },
  quality: [figure("exact-match", {}, versus)],
  q: figure("q", retention),
});
const run = (...variants: VariantSummary[]) => ({ variants: [dense, ...variants] });
const sure = { aboveFloor: 0.98, low: 0.96, high: 1.01 };
const unsure = { aboveFloor: 0.99, low: 0.9, high: 1.04 };

test("the smallest is praised whose retention is high at the lower end of its interval, with the metric's name", () => {
  const verdict = verdictOf(
    run(made("int4", 4000, sure), made("pruned", 3000, unsure), made("int8", 8000, sure)),
  );
  expect(verdict?.smallest?.name).toBe("int4");
  expect(verdict && verdictText(verdict)).toMatch(
    /^int4 is the smallest that keeps 95 % of dense’s Q above chance: 98 % of it \(96 % to 101 %\), at \d+ % of its size/,
  );
});

test("none is praised where no interval is narrow enough", () => {
  const verdict = verdictOf(run(made("int4", 4000, unsure)));
  expect(verdict && verdictText(verdict)).toBe(
    "No variant is shown to keep 95 % of dense’s Q above chance: the lower ends of all intervals lie below.",
  );
});

test("what the recipe's first metric shows as worse is never praised, and is named", () => {
  // Exact match fell by 12 points, p = .03.
  const worse = made("int4", 4000, sure, { difference: -0.12, p: 0.03, exact: true });
  const verdict = verdictOf(run(worse, made("int8", 8000, sure)));
  expect(verdict?.smallest?.name).toBe("int8");
  expect(verdict && verdictText(verdict)).toContain(
    "int4 keeps it too, but its exact match is worse: −0.120, p = 0.030.",
  );
  const alone = verdictOf(run(worse));
  expect(alone?.smallest).toBeUndefined();
  expect(alone && verdictText(alone)).toMatch(
    /^No variant is shown to keep 95 % .* without loss elsewhere\. int4 keeps it too/,
  );
});

test("a run without a dense model has no verdict", () => {
  expect(verdictOf({ variants: [dense] })).toBeUndefined();
});

test("chance is the family's floor, for the dense model too", () => {
  const chance = chanceIn([dense, made("int4", 4000, sure)]);
  expect(chance(dense, "q")).toBe(0.2);
  expect(chance({ ...dense, family: "other" }, "q")).toBeUndefined();
});
