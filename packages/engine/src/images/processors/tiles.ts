import { cut, type RgbImage } from "../rgb-image.ts";

/** Squares, line by line; those at the right and lower edge may be narrower. */
export function tilesOf(image: RgbImage, side: number): RgbImage[] {
  const tiles: RgbImage[] = [];
  for (let top = 0; top < image.height; top += side) {
    for (let left = 0; left < image.width; left += side) {
      const [height, width] = [Math.min(side, image.height - top), Math.min(side, image.width - left)];
      tiles.push(cut(image, { top, left, height, width }));
    }
  }
  return tiles;
}
