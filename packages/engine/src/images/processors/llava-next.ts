import { bestResolution, ConfigError } from "@vlmopt/models";
import { resize } from "../resample.ts";
import { cut, type RgbImage } from "../rgb-image.ts";
import { levelsOf, tileTensor } from "./levels.ts";
import { tileFitter } from "./one-tile.ts";
import type { ImageProcessor } from "./prepared-image.ts";
import type { ProcessorSettings } from "./processor-settings.ts";
import { tilesOf } from "./tiles.ts";

/** LLaVA-NeXT: the picture as one tile, then tiles of it at whichever of some resolutions suits it. */
export function llavaNextProcessor(settings: ProcessorSettings): ImageProcessor {
  const fit = tileFitter(settings);
  const levels = levelsOf(settings);
  const filter = settings.filter();
  const pinpoints = settings.pairs("image_grid_pinpoints");
  const { height, width, shortest_edge: edge } = settings.sides("size");
  const [tall, wide] = [height ?? edge, width ?? edge];
  const side = settings.sides("crop_size").height ?? tall;
  if (tall === undefined || wide === undefined || side === undefined) {
    throw new ConfigError("size of preprocessor_config.json needs a height and a width, or a shortest_edge");
  }
  return (image) => {
    const whole = resize(image, wide, tall, filter);
    const fitted = fitInto(image, bestResolution([image.height, image.width], pinpoints), (...size) =>
      resize(image, ...size, filter),
    );
    return {
      pixels: tileTensor([whole, ...tilesOf(fitted, side)].map(fit), levels),
      originalSize: [image.height, image.width],
    };
  };
}

/** In the middle of a black picture, as large as its shape allows. */
function fitInto(
  { width, height }: RgbImage,
  [tall, wide]: readonly [number, number],
  resized: (width: number, height: number) => RgbImage,
): RgbImage {
  const [across, down] = [wide / width, tall / height];
  const fitted =
    across < down
      ? resized(wide, Math.min(Math.ceil(height * across), tall))
      : resized(Math.min(Math.ceil(width * down), wide), tall);
  const top = -Math.floor((tall - fitted.height) / 2);
  const left = -Math.floor((wide - fitted.width) / 2);
  return cut(fitted, { top, left, height: tall, width: wide });
}
