import { describe, expect, it } from "vitest";
import { greedyMatcher, matchPlainly } from "./greedy-matching.ts";

describe("greedy matching", () => {
  it("takes the greatest cosine whatever the lengths of the vectors, also where all are negative", () => {
    // Unit vectors at these degrees, stretched.
    const at = (degrees: number, length: number) => [
      length * Math.cos((degrees * Math.PI) / 180),
      length * Math.sin((degrees * Math.PI) / 180),
    ];
    const candidate = Float32Array.from([at(0, 3), at(30, 0.5), at(10, 1)].flat());
    const reference = Float32Array.from([at(180, 2), at(150, 7)].flat());
    const cosines = (...degrees: number[]) => degrees.map((x) => Math.cos((x * Math.PI) / 180));
    for (const match of [greedyMatcher(), matchPlainly]) {
      const matching = match(candidate, reference, 2);
      expect(matching.candidate).toHaveLength(3);
      for (const [i, x] of cosines(150, 120, 140).entries()) expect(matching.candidate[i]).toBeCloseTo(x, 6);
      for (const [i, x] of cosines(150, 120).entries()) expect(matching.reference[i]).toBeCloseTo(x, 6);
    }
  });

  it("is alike in WebAssembly and without, for texts of every length and widths that fill no vector", () => {
    const wasm = greedyMatcher();
    let state = 1;
    const noise = (length: number) =>
      Float32Array.from({ length }, () => {
        state = Math.imul(state, 1664525) + 1013904223;
        return state / 2 ** 31;
      });
    // A large pair first: what it leaves in memory must not show in the small ones.
    for (const [m, n, width] of [
      [200, 133, 36],
      ...[1, 2, 3, 4, 5, 7].flatMap((m) => [1, 2, 3, 6].map((n) => [m, n, 4 + m + n] as const)),
    ] as const) {
      const [a, b] = [noise(m * width), noise(n * width)];
      const [fast, plain] = [wasm(a, b, width), matchPlainly(a, b, width)];
      for (const side of ["candidate", "reference"] as const) {
        expect(fast[side]).toHaveLength(plain[side].length);
        for (const [i, x] of plain[side].entries()) expect(fast[side][i]).toBeCloseTo(x, 5);
      }
    }
  });

  it("leaves vectors of zeros alone", () => {
    const matching = greedyMatcher()(new Float32Array(8), Float32Array.of(1, 0, 0, 0), 4);
    expect([...matching.candidate, ...matching.reference]).toEqual([0, 0, 0]);
  });
});
