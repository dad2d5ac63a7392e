import { encodeMatrix, formatNamed, schemeNamed, searchIntegerScales, weightedScales } from "@vlmopt/quant";
import { describe, expect, it } from "vitest";
import { decodedIntegers, nearestIntegers } from "./nearest-integers.ts";

/** Normal numbers, some of them large. */
function weights(count: number): Float32Array {
  let state = 1;
  const uniform = () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
  return Float32Array.from({ length: count }, () => {
    const size = Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
    return size * (uniform() < 0.02 ? 4 : 1);
  });
}

const columns = 64;
const rows = 32;
const weight = weights(rows * columns);
const importance = Float32Array.from({ length: columns }, (_, j) => 1 + 99 * Number(j % 9 === 0));

function errorOf(decoded: Float32Array): number {
  return weight.reduce(
    (sum, w, i) => sum + (importance[i % columns] as number) * (w - (decoded[i] as number)) ** 2,
    0,
  );
}

describe.each([2, 3, 4, 8] as const)("scales of %i bits", (bits) => {
  it.each([
    [true, 0],
    [true, 1],
    [false, 0],
  ] as const)(
    "err less than the range's, weighted; zero points: %s, from %i",
    (zeroPoints, lowestZeroPoint) => {
      const grid = { bits, groupSize: 32, zeroPoints, lowestZeroPoint, scaleDtype: "F16" } as const;
      const found = searchIntegerScales(weight, grid, importance);
      const top = 2 ** bits - 1;
      const byRange: number[] = [];
      const zeros: number[] = [];
      for (let group = 0; group < found.scales.length; group++) {
        const own = weight.subarray(group * 32, (group + 1) * 32);
        const [low, high] = [Math.min(0, ...own), Math.max(0, ...own)];
        byRange.push(zeroPoints ? (high - low) / top : Math.max(high, -low) / (top / 2));
        zeros.push(
          zeroPoints ? Math.max(lowestZeroPoint, Math.round(-low / ((high - low) / top))) : 2 ** (bits - 1),
        );
      }
      const nearest = nearestIntegers(weight, columns, grid, {
        scales: Float32Array.from(byRange),
        zeroPoints: Uint8Array.from(zeros),
      });
      const searched = nearestIntegers(weight, columns, grid, found);
      expect(errorOf(decodedIntegers(searched))).toBeLessThan(errorOf(decodedIntegers(nearest)));
      if (zeroPoints) expect(Math.min(...(found.zeroPoints ?? []))).toBeGreaterThanOrEqual(lowestZeroPoint);
    },
  );

  it("are those of weights that lie on a grid", () => {
    const exact = Float32Array.from({ length: 64 }, (_, i) => 0.25 * ((i % 2 ** bits) - 1));
    const grid = { bits, groupSize: 64, zeroPoints: true, lowestZeroPoint: 0, scaleDtype: "F32" } as const;
    const found = searchIntegerScales(exact, grid, new Float32Array(64).fill(1));
    if (bits === 8) return;
    expect(found.scales[0]).toBeCloseTo(0.25, 6);
    expect(found.zeroPoints).toEqual(Uint8Array.of(1));
  });
});

it("are finite where all weights have one sign, or are zero", () => {
  const some = Float32Array.from({ length: 24 }, (_, i) => (i < 8 ? -1 - i / 8 : i < 16 ? 1 + i / 16 : 0));
  for (const zeroPoints of [true, false]) {
    const { scales, zeros } = weightedScales({
      weight: some,
      rows: 1,
      columns: 24,
      groupSize: 8,
      levels: Float32Array.of(0, 1, 2, 3),
      importance: new Float32Array(24).fill(1),
      zeroPoints,
      ...(zeroPoints ? {} : { zero: 2 }),
    });
    expect([...scales, ...(zeros ?? [])].every(Number.isFinite)).toBe(true);
    expect(scales[2]).toBe(0);
  }
});

it("find the best scale of a codebook: errors of all others are not less", () => {
  const levels = Float32Array.of(-1, -0.4, 0, 0.3, 1);
  const own = weight.subarray(0, 64);
  const even = new Float32Array(64).fill(1);
  const request = { weight: own, rows: 1, columns: 64, groupSize: 64, levels, importance: even };
  const [scale = 0] = weightedScales({ ...request, zeroPoints: false }).scales;
  const errorAt = (at: number) =>
    own.reduce((sum, w) => sum + Math.min(...[...levels].map((level) => (w - at * level) ** 2)), 0);
  const largest = Math.max(...own.map(Math.abs));
  const best = Math.min(...Array.from({ length: 400 }, (_, i) => errorAt((largest * (i + 1)) / 300)));
  expect(errorAt(scale)).toBeLessThan(1.02 * best);
});

it.each(["nf4", "nf4-dq", "fp4"])("of %s are searched by importance too, where it is given", (name) => {
  const scheme = schemeNamed(name);
  const tensor = { name: "a.weight", dtype: "F32", shape: [rows, columns] } as const;
  const format = formatNamed(scheme.format);
  const own = errorOf(encodeMatrix(format, scheme, tensor, weight).decoded);
  expect(errorOf(encodeMatrix(format, scheme, tensor, weight, { importance }).decoded)).toBeLessThan(
    0.97 * own,
  );
});
