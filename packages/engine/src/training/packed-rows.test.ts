import { describe, expect, test } from "vitest";
import type { Sequence } from "../calibration/calibration-data.ts";
import type { ImageFeatures } from "../image-features.ts";
import { packRows, visibleTokens } from "./packed-rows.ts";

const picture = (): ImageFeatures => ({ rows: 2, tensors: {} });

/** Tokens 1, two of the picture, the question, the answer. */
function asked(image: ImageFeatures, question: readonly number[], answer: readonly number[]): Sequence {
  const ids = [1, 99, 99, ...question, ...answer];
  const prompt = 3 + question.length;
  return {
    ids,
    positions: [Int32Array.from(ids.keys())],
    prompt,
    images: [image],
    imageRows: [1, 2],
    predicted: answer.map((_, i) => prompt + i),
    heldOut: false,
  };
}

function text(ids: readonly number[]): Sequence {
  return {
    ids,
    positions: [Int32Array.from(ids.keys())],
    prompt: ids.length,
    images: [],
    imageRows: [],
    predicted: ids.slice(1).map((_, i) => i + 1),
    heldOut: false,
  };
}

describe("rows", () => {
  test("hold a picture once, and behind it each question that sees it and itself", () => {
    const image = picture();
    const { learned } = packRows([asked(image, [5, 6], [7]), asked(image, [8], [9, 10])], 100, false);
    expect(learned).toMatchObject([
      {
        ids: [1, 99, 99, 5, 6, 7, 8, 9, 10],
        positions: [Int32Array.of(0, 1, 2, 3, 4, 5, 3, 4, 5)],
        imageRows: [1, 2],
        // The last of each question, and the answer's tokens.
        wanted: [4, 5, 6, 7, 8],
      },
    ]);
    const [row] = learned;
    expect(row?.images).toEqual([image]);
    const seen = visibleTokens(learned, 10, undefined);
    expect(seen.shape).toEqual([1, 1, 10, 10]);
    const seenBy = (token: number) =>
      [...seen.data.subarray(token * 10, token * 10 + 10).entries()].flatMap(([other, x]) =>
        x === 0 ? [other] : [],
      );
    expect(seenBy(2)).toEqual([0, 1, 2]);
    expect(seenBy(4)).toEqual([0, 1, 2, 3, 4]);
    expect(seenBy(8)).toEqual([0, 1, 2, 6, 7, 8]);
    // Padding sees itself, so that no row of scores is empty.
    expect(seenBy(9)).toEqual([9]);
  });

  test("are as long as they may be: a picture comes again with the questions left", () => {
    const image = picture();
    const many = Array.from({ length: 5 }, (_, n) => asked(image, [20 + n], [40 + n]));
    const { learned } = packRows(many, 7, false);
    expect(learned.map(({ ids }) => ids.length)).toEqual([7, 7, 5]);
    for (const { images, imageRows } of learned) {
      expect(images).toEqual([image]);
      expect(imageRows).toEqual([1, 2]);
    }
  });

  test("hold short texts beside each other, which do not see each other", () => {
    const { learned } = packRows([text([1, 2, 3]), text([4, 5])], 10, false);
    expect(learned).toMatchObject([{ ids: [1, 2, 3, 4, 5], runs: [0, 0, 0, 1, 1], wanted: [0, 1, 2, 3, 4] }]);
    const { data } = visibleTokens(learned, 5, undefined);
    expect([...data.subarray(20)].map((x) => x === 0)).toEqual([false, false, false, true, true]);
  });

  test("with windows show places of the own sequence that are near", () => {
    const image = picture();
    const { learned } = packRows([asked(image, [5, 6], [7]), asked(image, [8], [9])], 100, false);
    const { data } = visibleTokens(learned, 8, 2);
    // Token 8 is the fourth of its sequence: it sees the picture's second and itself.
    expect([...data.subarray(48, 56).entries()].flatMap(([other, x]) => (x === 0 ? [other] : []))).toEqual([
      2, 6,
    ]);
  });

  test("of prompts that see themselves whole hold one question each, every token of which sees all", () => {
    const image = picture();
    const { learned } = packRows([asked(image, [5, 6], [7]), asked(image, [8], [9])], 6, true);
    expect(learned.map(({ ids }) => ids.length)).toEqual([6, 5]);
    const { data } = visibleTokens(learned.slice(0, 1), 6, undefined);
    expect([...data.subarray(0, 6)].map((x) => x === 0)).toEqual([true, true, true, true, true, false]);
  });

  test("of one picture in eight are held out, whatever is asked about it", () => {
    const images = Array.from({ length: 16 }, picture);
    const all = images.flatMap((image, n) => [
      asked(image, [5, n + 10], [7]),
      asked(image, [6, n + 10], [7]),
    ]);
    const { learned, heldOut } = packRows(all, 8, false);
    const held = new Set(heldOut.flatMap((row) => row.images));
    expect(held.size).toBe(2);
    for (const row of learned) for (const image of row.images) expect(held.has(image)).toBe(false);
  });
});
