import { linearAlgebra, roundingUnder } from "@vlmopt/pruning";
import { describe, expect, it } from "vitest";

const alone = linearAlgebra({ workers: 1 });
const spread = linearAlgebra({ workers: 3 });
const numbers = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(1 + i * i));
const bytes = (values: Float32Array | Float64Array) => Buffer.from(values.buffer);

describe("large systems, spread over threads", { timeout: 120_000 }, () => {
  const n = 2050;
  const a = numbers(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j] as number;
    a[i * n + i] = 100;
  }

  it("are solved with the same bits", async () => {
    const b = numbers(701 * n);
    const [one, three] = [await alone.solve(a, n, 1, b), await spread.solve(a, n, 1, b)];
    expect(bytes(one).equals(bytes(three))).toBe(true);
  });

  it("are inverted with the same bits", async () => {
    const [one, three] = [await alone.invert(a, n, 1), await spread.invert(a, n, 1)];
    expect(bytes(one).equals(bytes(three))).toBe(true);
  });

  it("are multiplied with the same bits", async () => {
    const b = numbers(1001 * n);
    const [one, three] = [await alone.multiply(b, a, n), await spread.multiply(b, a, n)];
    expect(bytes(one).equals(bytes(three))).toBe(true);
  });

  it("say which pivot is not positive", async () => {
    const broken = a.slice();
    broken[1500 * (n + 1)] = -5;
    await expect(spread.solve(broken, n, 1, numbers(701 * n))).rejects.toThrow(/pivot 1500 is -/);
  });
});

it("rounds in threads as alone", async () => {
  const columns = 1024;
  const gram = Float64Array.from({ length: columns * columns }, (_, p) => {
    const [i, j] = [Math.floor(p / columns), p % columns];
    return 1 / (1 + Math.abs(i - j)) + (i === j ? 1 + (i % 7) : 0);
  });
  const rows = 8192;
  const weight = Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(1 + i * i));
  const grid = {
    levels: Float32Array.of(0, 1, 2, 3),
    groupSize: 512,
    scales: new Float32Array(2 * rows).fill(0.5),
    zeros: new Float32Array(2 * rows).fill(2),
  };
  const request = { gram, columns, lambda: 0.01 };
  const [one, three] = [
    await (await roundingUnder(request, { workers: 1 })).round(weight, grid),
    await (await roundingUnder(request, { workers: 3 })).round(weight, grid),
  ];
  // Element by element, eight million would take a minute.
  expect(Buffer.compare(three.codes, one.codes)).toBe(0);
  expect(three.errors).toEqual(one.errors);
});
