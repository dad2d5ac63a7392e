import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";
import { decodeMxfp4, encodeMxfp4 } from "./mxfp4.ts";
import { decodeNvfp4, encodeNvfp4 } from "./nvfp4.ts";
import type { StoredWeights } from "./weights.ts";

const [rows, columns] = [24, 96];
/** A few columns count a thousand times as much as others, and have small weights. */
const counts = (column: number) => column % 11 === 0;
const weights = Float32Array.from(
  { length: rows * columns },
  (_, i) => (Math.sin(12.9898 * i) ** 3 / 20) * (counts(i % columns) ? 0.2 : 1),
);
const stored: StoredWeights = { dtype: "F32", bytes: fromFloat32(weights, "F32") };
const importance = Float32Array.from({ length: columns }, (_, i) => (counts(i) ? 1000 : 1 + Math.cos(i)));

describe.each([
  {
    format: "NVFP4",
    groupSize: 16,
    encode: (how: object) => encodeNvfp4(stored, how),
    decode: (it: ReturnType<typeof encodeNvfp4>) => decodeNvfp4(it, "F32"),
    scaleOf: (code: number, globalScale: number) =>
      (toFloat32(Uint8Array.of(code), "F8_E4M3")[0] as number) / globalScale,
    around: { below: 4, above: 6, last: 0x7e },
  },
  {
    format: "MXFP4",
    groupSize: 32,
    encode: (how: object) => ({ ...encodeMxfp4(stored, how), globalScale: 1 }),
    decode: (it: ReturnType<typeof encodeMxfp4>) => decodeMxfp4(it, "F32"),
    scaleOf: (code: number) => 2 ** (code - 127),
    around: { below: 1, above: 1, last: 254 },
  },
])("$format, where columns count differently", ({ groupSize, encode, decode, scaleOf, around }) => {
  const errorIn = (group: number, numbers: (i: number) => number) => {
    let error = 0;
    for (let i = group * groupSize; i < (group + 1) * groupSize; i++)
      error += (importance[i % columns] as number) * ((weights[i] as number) - numbers(i)) ** 2;
    return error;
  };
  const searched = encode({ scales: "search", importance });
  const decoded = toFloat32(decode(searched), "F32");

  it("has the scale of each group that trying all finds", () => {
    const plain = encode({});
    const sizes = [0, 0.5, 1, 1.5, 2, 3, 4, 6];
    for (let group = 0; group < weights.length / groupSize; group++) {
      const first = plain.scales[group] as number;
      const errors: number[] = [];
      for (let code = first - around.below; code <= Math.min(around.last, first + around.above); code++) {
        const scale = scaleOf(code, searched.globalScale);
        errors.push(
          errorIn(group, (i) => {
            const weight = weights[i] as number;
            const nearest = sizes.reduce((best, size) =>
              Math.abs(Math.abs(weight) - size * scale) < Math.abs(Math.abs(weight) - best * scale)
                ? size
                : best,
            );
            return Math.sign(weight) * nearest * scale;
          }),
        );
      }
      const found = errorIn(group, (i) => decoded[i] as number);
      expect(found / Math.min(...errors), `${group}`).toBeCloseTo(1, 4);
    }
  });

  it("has a smaller weighted error than without the weights, and than without a search", () => {
    const total = (it: Parameters<typeof decode>[0]) => {
      const numbers = toFloat32(decode(it), "F32");
      let sum = 0;
      for (let group = 0; group < weights.length / groupSize; group++)
        sum += errorIn(group, (i) => numbers[i] as number);
      return sum;
    };
    expect(total(searched as never)).toBeLessThan(total(encode({ scales: "search" }) as never));
    expect(total(searched as never)).toBeLessThan(total(encode({}) as never));
  });

  it("leaves importance aside where nothing is searched, and equal importance changes nothing but ties", () => {
    expect(encode({ importance }).scales).toEqual(encode({}).scales);
    const equal = encode({ scales: "search", importance: new Float32Array(columns).fill(1) });
    const own = encode({ scales: "search" });
    const differing = equal.scales.filter((code, i) => code !== own.scales[i]).length;
    expect(differing).toBeLessThan(0.02 * own.scales.length);
  });
});
