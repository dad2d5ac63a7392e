import { expect, test } from "vitest";
import { pictureView } from "./picture-view.ts";

const whole = { tokens: [0, 1, 2, 3], width: 2 };
const tiles = { tokens: [4, 5, 6, 8, 9, 10], width: 3 };

test("a picture is seen as the grid that shows it best", () => {
  const reduced = { of: 12, kept: [1, 5, 10], sizes: undefined, grids: [whole, tiles] };
  expect(pictureView("llava", reduced)).toEqual({ width: 2, height: 2, stayed: [1], fit: "middle" });
  expect(pictureView("llava_next", reduced)).toEqual({ width: 3, height: 2, stayed: [1, 5], fit: "whole" });
  expect(pictureView("smolvlm", { ...reduced, grids: [tiles, whole] })).toMatchObject({ stayed: [1] });
  expect(pictureView("qwen2_vl", { ...reduced, grids: [] })).toBeUndefined();
});
