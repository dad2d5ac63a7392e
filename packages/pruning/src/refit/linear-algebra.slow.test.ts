import { linearAlgebra } from "@vlmopt/pruning";
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
