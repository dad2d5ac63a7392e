import { linearAlgebra } from "@vlmopt/pruning";
import { afterEach, describe, expect, it, vi } from "vitest";
import { choleskyTiles, factorizeTiles, solveRows } from "./cholesky.ts";
import { denseKernels } from "./dense-kernels.ts";
import { runThreads } from "./linear-algebra-threads.ts";
import type { FromWorker } from "./linear-algebra-worker.ts";
import { distance } from "./test-support/layers.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

/** A_ij = 1 + min(i, j), whose inverse has 2 on its diagonal (1 at its end) and −1 beside it. */
const minimum = (n: number) =>
  Float64Array.from({ length: n * n }, (_, place) => 1 + Math.min(Math.floor(place / n), place % n));
const inverseOfMinimum = (n: number) =>
  Float64Array.from({ length: n * n }, (_, place) => {
    const [i, j] = [Math.floor(place / n), place % n];
    return i === j ? (i === n - 1 ? 1 : 2) : Math.abs(i - j) === 1 ? -1 : 0;
  });
/** B · A⁻¹. */
const solutionOfMinimum = (b: ArrayLike<number>, n: number) =>
  Float64Array.from({ length: b.length }, (_, place) => {
    const column = place % n;
    const at = (by: number) => (column + by < 0 || column + by >= n ? 0 : (b[place + by] as number));
    return (column === n - 1 ? 1 : 2) * at(0) - at(-1) - at(1);
  });
const rowsIn = (answer: FromWorker) => (answer.kind === "rows" ? answer.rows : []);
const rowsOf = (rows: number, n: number) =>
  Float64Array.from({ length: rows * n }, (_, i) => Math.sin(1 + i * i));

describe.each(["wasm", "plain"])("linear algebra by %s", (kind) => {
  const algebra = linearAlgebra();
  // Below, at and beyond the size of a tile and of a block of rows.
  it.each([
    [1, 1],
    [2, 3],
    [5, 4],
    [63, 2],
    [64, 7],
    [65, 1],
    [150, 5],
    [130, 259],
  ])("solves and inverts a matrix whose inverse is known: %i columns, %i rows", async (n, rows) => {
    vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
    const b = rowsOf(rows, n);
    expect(distance(await algebra.solve(minimum(n), n, 0, b), solutionOfMinimum(b, n))).toBeLessThan(1e-12);
    expect(distance(await algebra.invert(minimum(n), n, 0), inverseOfMinimum(n))).toBeLessThan(1e-12);
  });

  it.each([
    [1, 1, 1],
    [3, 5, 2],
    [64, 256, 128],
    [67, 301, 131],
  ])("multiplies by what is known: %i rows by %i rows of %i", async (rows, others, depth) => {
    vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
    // Σ (i + k)·(j − k) over k, in closed form; whole numbers, so exact.
    const a = Float64Array.from({ length: rows * depth }, (_, p) => Math.floor(p / depth) + (p % depth));
    const b = Float32Array.from({ length: others * depth }, (_, p) => Math.floor(p / depth) - (p % depth));
    const [sum, squares] = [(depth * (depth - 1)) / 2, ((depth - 1) * depth * (2 * depth - 1)) / 6];
    const expected = Float64Array.from({ length: rows * others }, (_, p) => {
      const [i, j] = [Math.floor(p / others), p % others];
      return depth * i * j + (j - i) * sum - squares;
    });
    expect(await algebra.multiply(a, b, depth)).toEqual(expected);
  });

  it("adds the ridge, and takes and gives F32", async () => {
    vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
    const a = Float32Array.from(minimum(70));
    for (let i = 0; i < 70; i++) a[71 * i] = (a[71 * i] as number) - 0.5;
    const b = Float32Array.from(rowsOf(3, 70));
    const x = await algebra.solve(a, 70, 0.5, b);
    expect(x).toBeInstanceOf(Float32Array);
    expect(distance(x, solutionOfMinimum(b, 70))).toBeLessThan(1e-6);
  });

  it("says which pivot is not positive, and takes the ridge that it names", async () => {
    vi.stubEnv("VLMOPT_NO_WASM", kind === "plain" ? "1" : "");
    // Rank 2 of 90, and the rounding of its sums to F32.
    const a = Float32Array.from({ length: 8100 }, (_, place) => {
      const [i, j] = [Math.floor(place / 90), place % 90];
      return Math.sin(i + 1) * Math.sin(j + 1) + Math.cos(3 * i) * Math.cos(3 * j);
    });
    const failed = await algebra.solve(a, 90, 0, rowsOf(1, 90)).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(RangeError);
    const message = String(failed);
    expect(message).toMatch(
      /the matrix of 90 columns with a ridge of 0 is not positive definite: pivot \d+ is -?[\d.e-]+; take a ridge of \S+ or more/,
    );
    expect(Number(/pivot (\d+)/.exec(message)?.[1])).toBeGreaterThanOrEqual(2);
    const ridge = Number(/ridge of (\S+) or more/.exec(message)?.[1]);
    expect((await algebra.solve(a, 90, ridge, rowsOf(1, 90))).every(Number.isFinite)).toBe(true);
    await expect(algebra.invert(new Float64Array([1, 2, 2, 1]), 2, 0.25)).rejects.toThrow(
      "the matrix of 2 columns with a ridge of 0.25 is not positive definite: pivot 1 is -1.95; take a ridge of 3.9 or more",
    );
  });
});

describe("linear algebra", () => {
  const algebra = linearAlgebra();

  it("gives the same bits in threads as alone", async () => {
    const [n, rows, block] = [300, 37, 10];
    const b = rowsOf(rows, n);
    const alone = choleskyTiles(minimum(n), n, 0.1, false);
    expect(factorizeTiles(alone, denseKernels())).toBeUndefined();
    const shared = choleskyTiles(minimum(n), n, 0.1, true);
    const x = new Float64Array(b.length);
    const failed = await runThreads(
      shared,
      3,
      {
        count: Math.ceil(rows / block),
        make(index) {
          const part = b.slice(index * block * n, (index + 1) * block * n);
          return { message: { kind: "solve", b: part }, transfer: [part.buffer] };
        },
      },
      (index, answer) => x.set(rowsIn(answer), index * block * n),
    );
    expect(failed).toBeUndefined();
    expect(shared.tiles).toEqual(alone.tiles);
    expect(x).toEqual(solveRows(alone, denseKernels(), b));
  });

  it("multiplies in threads as alone", async () => {
    const [rows, others, depth, block] = [21, 50, 200, 6];
    const a = rowsOf(rows, depth);
    const b = new Float64Array(new SharedArrayBuffer(8 * others * depth));
    b.set(rowsOf(others, depth));
    const product = new Float64Array(rows * others);
    const make = (index: number) => {
      const part = a.slice(index * block * depth, (index + 1) * block * depth);
      return { message: { kind: "multiply", a: part, b, depth } as const, transfer: [part.buffer] };
    };
    await runThreads(undefined, 2, { count: Math.ceil(rows / block), make }, (index, answer) =>
      product.set(rowsIn(answer), index * block * others),
    );
    expect(product).toEqual(await algebra.multiply(a, b, depth));
  });

  it("ends all threads where one meets a pivot that is not positive", async () => {
    const a = minimum(400);
    a[130 * 401] = 0;
    const failed = await runThreads(
      choleskyTiles(a, 400, 0, true),
      3,
      { count: 0, make: () => ({ message: { kind: "factorize" }, transfer: [] }) },
      () => undefined,
    );
    expect(failed).toEqual({ column: 130, value: -130 });
  });

  it.each([
    ["a matrix of another size", new Float64Array(5), 2, 0, "A holds 5 numbers, and 2 columns take 4"],
    ["NaN", new Float64Array([1, 0, Number.NaN, 1]), 2, 0, "A is NaN in row 1, column 0"],
    ["a negative ridge", new Float64Array([1]), 1, -1, "a ridge of -1 is no number from 0 on"],
  ])("refuses %s", async (_, a, n, ridge, message) => {
    await expect(algebra.invert(a, n, ridge)).rejects.toThrow(new RangeError(message));
  });

  it("refuses factors that are no rows of the same length", async () => {
    await expect(algebra.multiply(new Float64Array(4), new Float64Array(6), 4)).rejects.toThrow(
      "factors of 4 and 6 numbers are no rows of 4",
    );
  });

  it("refuses right sides that are no rows, or not finite", async () => {
    const a = new Float64Array([1, 0, 0, 1]);
    await expect(algebra.solve(a, 2, 0, new Float64Array(3))).rejects.toThrow(
      "B holds 3 numbers, which are no rows of 2 columns",
    );
    await expect(algebra.solve(a, 2, 0, new Float64Array([0, Number.POSITIVE_INFINITY]))).rejects.toThrow(
      "B is Infinity in row 0, column 1",
    );
  });
});
