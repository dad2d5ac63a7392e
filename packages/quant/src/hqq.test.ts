import { readFileSync } from "node:fs";
import { encodeInt4 } from "@vlmopt/quant";
import { describe, expect, it } from "vitest";
import { bell } from "./test-support/inputs.ts";

interface Case {
  readonly groupSize: number;
  readonly seed: number;
  readonly largest: number;
  readonly whole: boolean;
  readonly zeros: number[];
  readonly scales: number[];
  /** One hexadecimal digit a weight, one string a group. */
  readonly numbers: string[];
}

const cases = JSON.parse(readFileSync(new URL("../goldens/hqq.json", import.meta.url), "utf8")) as Case[];

function nibbles(codes: Uint8Array): number[] {
  return [...codes].flatMap((byte) => [byte & 15, byte >> 4]);
}

describe("half-quadratic quantization", () => {
  it.each(cases.filter(({ whole }) => !whole))(
    "finds the hqq library's zero points for groups of $groupSize weights of up to $largest",
    ({ groupSize, seed, largest, zeros, scales, numbers }) => {
      const weights = bell(16 * groupSize, seed).map((weight) => weight * largest);
      const encoded = encodeInt4(weights, { groupSize, zeroPoints: "float", scales: "hqq" });
      const ours = nibbles(encoded.codes);
      const theirs = numbers.flatMap((row) => [...row].map((digit) => Number.parseInt(digit, 16)));
      const apart = zeros.map((zero, group) => Math.abs(zero - (encoded.zeroPoints?.[group] as number)));
      // The library's float32 and our float64 part ways where a weight is within rounding of the middle of two numbers.
      expect(apart.filter((distance) => distance > 1e-4).length).toBeLessThanOrEqual(2);
      expect(Math.max(...apart)).toBeLessThan(0.01);
      scales.forEach((scale, group) => {
        expect((encoded.scales[group] as number) / scale).toBeCloseTo(1, 6);
      });
      expect(ours.filter((number, i) => number !== theirs[i]).length).toBeLessThanOrEqual(
        0.002 * ours.length,
      );
    },
  );

  it.each(cases.filter(({ whole }) => whole))(
    "rounds the hqq library's zero points where they are to be whole, groups of $groupSize up to $largest",
    ({ groupSize, seed, largest, zeros }) => {
      const weights = bell(16 * groupSize, seed).map((weight) => weight * largest);
      const encoded = encodeInt4(weights, { groupSize, zeroPoints: "whole", scales: "hqq" });
      zeros.forEach((zero, group) => {
        expect(Math.abs((encoded.zeroPoints?.[group] as number) - zero)).toBeLessThanOrEqual(0.5001);
      });
    },
  );

  it("needs zero points", () => {
    expect(() => encodeInt4(bell(64, 1), { groupSize: 64, scales: "hqq" })).toThrow("hqq finds zero points");
  });
});
