import type { HostTensor } from "@vlmopt/models";
import type { RgbImage } from "../rgb-image.ts";
import type { ProcessorSettings } from "./processor-settings.ts";

/** What each of the 256 levels of a channel becomes: `[3, 256]`. */
export type Levels = Float32Array;

/** Rescaled and normalized, rounded after each step as transformers rounds: its numbers to the bit. */
export function levelsOf(settings: ProcessorSettings): Levels {
  const factor = settings.flag("do_rescale") ? settings.number("rescale_factor") : 1;
  const normalizes = settings.flag("do_normalize");
  const [mean, deviation] = normalizes
    ? [settings.colour("image_mean"), settings.colour("image_std")]
    : [[0, 0, 0] as const, [1, 1, 1] as const];
  const { fround } = Math;
  return Float32Array.from({ length: 3 * 256 }, (_, i) => {
    const channel = i >> 8;
    const scaled = fround((i & 255) * factor);
    return fround(scaled - fround(mean[channel] as number)) / fround(deviation[channel] as number);
  });
}

/**
 * @param tiles pictures of one size
 * @returns `[tiles, 3, height, width]`
 */
export function tileTensor(tiles: readonly RgbImage[], levels: Levels): HostTensor {
  const [{ width, height }] = tiles as [RgbImage];
  const area = width * height;
  const data = new Float32Array(tiles.length * 3 * area);
  for (const [n, tile] of tiles.entries()) {
    for (let channel = 0; channel < 3; channel++) {
      const target = (n * 3 + channel) * area;
      const table = levels.subarray(channel * 256, channel * 256 + 256);
      for (let i = 0, source = channel; i < area; i++, source += 3) {
        data[target + i] = table[tile.data[source] as number] as number;
      }
    }
  }
  return { shape: [tiles.length, 3, height, width], data };
}
