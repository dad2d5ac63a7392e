import type { ImageFeatures } from "../image-features.ts";
import type { Model } from "../model.ts";
import { goldenPixels, type ModelGolden } from "./goldens.ts";

/** Pictures of a golden, one at a time. */
export async function goldenFeatures(model: Model, golden: ModelGolden): Promise<ImageFeatures[]> {
  if (golden.pixels === undefined) return [];
  const all = goldenPixels(golden.pixels);
  if (golden.grids !== undefined) {
    const width = golden.pixels[1] as number;
    let first = 0;
    const features = [];
    for (const grid of golden.grids) {
      const patches = grid[1] * grid[2];
      const data = all.subarray(first * width, (first + patches) * width);
      features.push(await model.see({ pixels: { shape: [patches, width], data }, grid }));
      first += patches;
    }
    return features;
  }
  if (golden.pixels.length === 5) {
    const pixels = { shape: golden.pixels.slice(1), data: all };
    return [await model.see({ pixels, ...(golden.size === undefined ? {} : { originalSize: golden.size }) })];
  }
  const [count, ...shape] = golden.pixels as [number, ...number[]];
  const size = all.length / count;
  const features = [];
  for (let n = 0; n < count; n++) {
    const pixels = { shape: [1, ...shape], data: all.subarray(n * size, (n + 1) * size) };
    features.push(await model.see({ pixels }));
  }
  return features;
}
