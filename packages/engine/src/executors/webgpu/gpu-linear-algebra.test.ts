import { NoGpuError, webgpuExecutor } from "@vlmopt/engine";
import type { LinearAlgebra } from "@vlmopt/models";
import { describe, expect, test } from "vitest";

const executor = await webgpuExecutor({ f16: false }).catch((error: unknown) => {
  if (!(error instanceof NoGpuError)) throw error;
  console.warn(`Least squares by WebGPU is not tested here: ${error.message}.`);
  return undefined;
});

/** Numbers from −1 to 1. */
function numbers(count: number, seed: number): Float64Array {
  let state = seed;
  return Float64Array.from({ length: count }, () => {
    state = (state * 16807) % 2147483647;
    return (2 * state) / 2147483647 - 1;
  });
}

/** a `[rows, depth]` times b `[depth, columns]`. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, rows: number, depth: number): Float64Array {
  const columns = b.length / depth;
  return Float64Array.from({ length: rows * columns }, (_, i) => {
    let sum = 0;
    for (let k = 0; k < depth; k++)
      sum += (a[Math.floor(i / columns) * depth + k] as number) * (b[k * columns + (i % columns)] as number);
    return sum;
  });
}

/** Σ x·xᵀ of some tokens whose channels depend on each other, and that with a ridge. */
function gramOf(n: number, tokens: number, ridge: number) {
  const x = numbers(tokens * n, 7);
  const mixed = x.map((value, i) => value + 3 * (x[i - (i % n)] as number));
  const turned = Float64Array.from(
    { length: mixed.length },
    (_, i) => mixed[(i % tokens) * n + Math.floor(i / tokens)] as number,
  );
  const gram = Float32Array.from(product(turned, mixed, n, tokens));
  const raised = Float64Array.from(gram, (value, i) => (i % (n + 1) === 0 ? value + ridge : value));
  return { gram, raised };
}

function worst(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  let [difference, scale] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs((found[i] as number) - (expected[i] as number)));
    scale = Math.max(scale, Math.abs(expected[i] as number));
  }
  return difference / scale;
}

describe.skipIf(executor === undefined)("least squares by WebGPU", { timeout: 300_000 }, () => {
  const algebra = executor?.linearAlgebra as LinearAlgebra;

  test.each([
    [3, 2, 5],
    [130, 70, 33],
  ])("multiply gives the product of %i and %i rows of %i", async (rows, columns, depth) => {
    const [a, b] = [numbers(rows * depth, 3), numbers(columns * depth, 4)];
    const turned = Float64Array.from(
      b,
      (_, i) => b[(i % columns) * depth + Math.floor(i / columns)] as number,
    );
    const found = await algebra.multiply?.(a, b, depth);
    expect(worst(found ?? [], product(a, turned, rows, depth))).toBeLessThan(1e-6);
  });

  test.each([
    [3, 2],
    [70, 5],
    [200, 130],
  ])("solve for %i columns finds the %i rows that were multiplied", async (n, rows) => {
    const { gram, raised } = gramOf(n, 3 * n, 1.5);
    const wanted = numbers(rows * n, 3);
    const right = product(wanted, raised, rows, n);
    const found = await algebra.solve(gram, n, 1.5, right);
    expect(worst(product(found, raised, rows, n), right)).toBeLessThan(5e-7);
    // The right side comes as F32, whose rounding a matrix of condition 10,000 enlarges.
    expect(worst(found, wanted)).toBeLessThan(5e-3);
  });

  test("an inverse times its matrix is 1, also where there are fewer tokens than columns", async () => {
    const [n, ridge] = [90, 2];
    const { gram, raised } = gramOf(n, 40, ridge);
    const found = await algebra.invert(gram, n, ridge);
    const one = Float64Array.from({ length: n * n }, (_, i) => (i % (n + 1) === 0 ? 1 : 0));
    expect(found).toBeInstanceOf(Float64Array);
    expect(worst(product(found, raised, n, n), one)).toBeLessThan(1e-4);
  });

  test("a matrix that is not positive definite is refused with its pivot", async () => {
    const { gram } = gramOf(70, 40, 0);
    const negative = gram.map((value, i) => (i === 66 * 71 ? -1 : value));
    await expect(algebra.solve(negative, 70, 0.5, new Float32Array(70))).rejects.toThrow(
      "pivot 67 is not above 0 with a ridge of 0.5",
    );
    await expect(algebra.solve(gram, 71, 0.5, new Float32Array(71))).rejects.toThrow(RangeError);
  });
});
