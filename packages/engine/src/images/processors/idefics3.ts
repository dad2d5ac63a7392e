import { ConfigError } from "@vlmopt/models";
import { resize } from "../resample.ts";
import type { RgbImage } from "../rgb-image.ts";
import { levelsOf, tileTensor } from "./levels.ts";
import type { ImageProcessor } from "./prepared-image.ts";
import type { ProcessorSettings } from "./processor-settings.ts";
import { tilesOf } from "./tiles.ts";

/** Pixels that no side exceeds, whatever the configuration says. */
const longestSide = 4096;

/**
 * Idefics3 and SmolVLM: the picture is enlarged or reduced to one longest edge, stretched to whole tiles and cut into them; the
 * picture as a whole is the last tile. All tiles are full, so their attention mask would be all ones and is left out.
 */
export function idefics3Processor(settings: ProcessorSettings): ImageProcessor {
  const filter = settings.filter();
  const levels = levelsOf(settings);
  const resizes = settings.flag("do_resize");
  const splits = settings.flag("do_image_splitting");
  const side = settings.sides("max_image_size").longest_edge;
  if (side === undefined) {
    throw new ConfigError("max_image_size of preprocessor_config.json needs a longest_edge");
  }
  return (image) => {
    const sized = resizes ? resize(image, ...sizeFor(image, settings), filter) : image;
    if (!splits) return { pixels: tileTensor([resize(sized, side, side, filter)], levels), tiles: [0, 0] };
    const stretched = resize(sized, ...wholeTiles(sized, side), filter);
    if (stretched.width === side && stretched.height === side) {
      return { pixels: tileTensor([stretched], levels), tiles: [0, 0] };
    }
    return {
      pixels: tileTensor([...tilesOf(stretched, side), resize(stretched, side, side, filter)], levels),
      tiles: [stretched.height / side, stretched.width / side],
    };
  };
}

/** Width and height. */
function sizeFor(image: RgbImage, settings: ProcessorSettings): readonly [number, number] {
  const { longest_edge: longest, height, width } = settings.sides("size");
  if (longest === undefined) {
    if (height !== undefined && width !== undefined) return [width, height];
    throw new ConfigError("size of preprocessor_config.json needs a longest_edge, or a height and a width");
  }
  const ratio = image.width / image.height;
  const even = (value: number) => Math.max(1, value + (value % 2));
  const [wide, tall] =
    ratio >= 1 ? [longest, even(Math.trunc(longest / ratio))] : [even(Math.trunc(longest * ratio)), longest];
  return withinLongestSide(wide, tall);
}

function withinLongestSide(width: number, height: number): readonly [number, number] {
  if (Math.max(width, height) <= longestSide) return [width, height];
  const ratio = width / height;
  return width >= height
    ? [longestSide, Math.max(1, Math.trunc(longestSide / ratio))]
    : [Math.max(1, Math.trunc(longestSide * ratio)), longestSide];
}

/** Width and height, up to the next multiple of a tile: the longer side first, the other from the shape that this gives. */
function wholeTiles({ width, height }: RgbImage, side: number): readonly [number, number] {
  const up = (value: number) => Math.ceil(value / side) * side;
  const ratio = width / height;
  return width >= height
    ? [up(width), up(Math.trunc(up(width) / ratio))]
    : [up(Math.trunc(up(height) * ratio)), up(height)];
}
