import { describe, expect, test } from "vitest";
import { initialLowRank, mergedLowRank } from "./low-rank.ts";

const shapes = new Map([
  ["w.lora_A", [2, 3]],
  ["w.lora_B", [4, 2]],
]);

describe("matrices of low rank", () => {
  test("begin with numbers up to 1/√in and zeros, the same for a seed", () => {
    const found = initialLowRank(shapes, 5);
    expect(found).toEqual(initialLowRank(shapes, 5));
    expect(found).not.toEqual(initialLowRank(shapes, 6));
    expect(found.get("w.lora_B")).toEqual(new Float32Array(8));
    const a = found.get("w.lora_A") ?? new Float32Array();
    expect(a.length).toBe(6);
    expect(new Set(a).size).toBe(6);
    for (const x of a) expect(Math.abs(x)).toBeLessThanOrEqual(1 / Math.sqrt(3));
  });

  test("are added to the weight as B·A", async () => {
    const parameters = new Map([
      ["w.lora_A", Float32Array.of(1, 2, 3, 4, 5, 6)],
      ["w.lora_B", Float32Array.of(1, 0, 0, 1, 1, 1, 0, 0)],
    ]);
    const weight = Float32Array.from({ length: 12 }, (_, i) => 10 * i + 1);
    const merged = await mergedLowRank(parameters, 2, 0.5, async () => weight);
    const added = [0.5, 1, 1.5, 2, 2.5, 3, 2.5, 3.5, 4.5, 0, 0, 0];
    expect([...(merged.get("w") ?? [])]).toEqual(added.map((x, i) => x + 10 * i + 1));
  });

  test("leave zeros of a weight that was pruned number by number", async () => {
    const parameters = new Map([
      ["w.lora_A", Float32Array.of(1, 1)],
      ["w.lora_B", Float32Array.of(1, 1)],
    ]);
    const merged = await mergedLowRank(parameters, 1, 1, async () => Float32Array.of(0, 1, 2, 0));
    expect([...(merged.get("w") ?? [])]).toEqual([0, 2, 3, 0]);
  });
});
