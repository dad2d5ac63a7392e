import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { readGolden } from "../test-support/goldens.ts";
import { type Filter, resize } from "./resample.ts";
import { madeImage } from "./test-support/made-image.ts";

interface ResampleGolden {
  readonly from: readonly [number, number];
  readonly seed: number;
  readonly to: readonly [number, number];
  readonly filter: Filter;
  readonly sha256: string;
}

const goldens = readGolden<ResampleGolden[]>("images-resample");

test.each(["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"] as const)(
  "%s gives Pillow's bytes at every size",
  (filter) => {
    const cases = goldens.filter((golden) => golden.filter === filter);
    expect(cases.length).toBeGreaterThan(20);
    const wrong = cases.filter(({ from, seed, to, sha256 }) => {
      const { data } = resize(madeImage(...from, seed), ...to, filter);
      return createHash("sha256").update(data).digest("hex") !== sha256;
    });
    expect(wrong).toEqual([]);
  },
);

test("a picture of the wanted size stays the same", () => {
  const image = madeImage(5, 4, 0);
  expect(resize(image, 5, 4, "bicubic")).toBe(image);
});

test("a side without pixels is refused", () => {
  expect(() => resize(madeImage(5, 4, 0), 0, 4, "bicubic")).toThrow("cannot be resized to 0 × 4");
});
