import { readFileSync } from "node:fs";
import { adamWState, adamWStep, normOf } from "@vlmopt/recover";
import { expect, test } from "vitest";

/** What torch.optim.AdamW does (tools/reference/recover_goldens.py). */
const golden = JSON.parse(readFileSync(new URL("../goldens/adamw.json", import.meta.url), "utf8")) as {
  readonly settings: Parameters<typeof adamWStep>[4];
  readonly start: readonly number[];
  readonly steps: readonly { readonly gradient: readonly number[]; readonly weight: readonly number[] }[];
};

test("AdamW moves weights as PyTorch's does", () => {
  const parameters = new Map([["w", Float32Array.from(golden.start)]]);
  const state = adamWState(parameters);
  for (const { gradient, weight } of golden.steps) {
    // Half of twice the gradient is the gradient.
    const doubled = new Map([["w", Float32Array.from(gradient, (g) => 2 * g)]]);
    adamWStep(parameters, doubled, 0.5, state, golden.settings);
    for (const [i, wanted] of weight.entries()) expect(parameters.get("w")?.[i]).toBeCloseTo(wanted, 5);
  }
});

test("the norm is of all numbers together, and weights without a gradient stay", () => {
  const parameters = new Map([
    ["a", Float32Array.of(1)],
    ["b", Float32Array.of(1)],
  ]);
  const gradients = new Map([["a", Float32Array.of(3, 4)]]);
  expect(normOf(new Map([...gradients, ["b", Float32Array.of(12)]]))).toBe(13);
  adamWStep(parameters, new Map([["a", Float32Array.of(1)]]), 1, adamWState(parameters), golden.settings);
  expect(parameters.get("b")).toEqual(Float32Array.of(1));
  expect(parameters.get("a")?.[0]).toBeLessThan(1);
});
