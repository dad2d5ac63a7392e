import { ConfigError } from "@vlmopt/models";
import { resize } from "../resample.ts";
import { centreCrop, cut, type RgbImage } from "../rgb-image.ts";
import { levelsOf, tileTensor } from "./levels.ts";
import type { ImageProcessor } from "./prepared-image.ts";
import type { ProcessorSettings } from "./processor-settings.ts";
import { roundHalfEven } from "./round-half-even.ts";

/** CLIP, SigLIP, BLIP, ViT, LLaVA: a picture becomes one tile, by resizing it and, where asked, taking the middle. */
export function oneTileProcessor(settings: ProcessorSettings): ImageProcessor {
  const fit = tileFitter(settings);
  const levels = levelsOf(settings);
  const isSquared = settings.flag("do_pad");
  return (image) => ({ pixels: tileTensor([fit(isSquared ? squared(image, settings) : image)], levels) });
}

/** Resizes and crops. */
export function tileFitter(settings: ProcessorSettings): (image: RgbImage) => RgbImage {
  const resizes = settings.flag("do_resize");
  const crop = settings.flag("do_center_crop") ? settings.sides("crop_size") : undefined;
  if (crop !== undefined && (crop.height === undefined || crop.width === undefined)) {
    throw new ConfigError("crop_size of preprocessor_config.json needs a height and a width");
  }
  return (image) => {
    const resized = resizes ? resizeBySides(image, settings) : image;
    return crop === undefined ? resized : centreCrop(resized, crop.height as number, crop.width as number);
  };
}

function resizeBySides(image: RgbImage, settings: ProcessorSettings): RgbImage {
  const { height, width, shortest_edge: shortest, longest_edge: longest } = settings.sides("size");
  const filter = settings.filter();
  if (shortest !== undefined) return resize(image, ...keptShape(image, shortest, longest), filter);
  if (height !== undefined && width !== undefined) return resize(image, width, height, filter);
  throw new ConfigError("size of preprocessor_config.json needs a height and a width, or a shortest_edge");
}

/** Width and height with the shorter side at `shortest`, but the longer one at most at `longest`. */
function keptShape(
  { width, height }: RgbImage,
  shortest: number,
  longest = Number.POSITIVE_INFINITY,
): readonly [number, number] {
  const [short, long] = [Math.min(width, height), Math.max(width, height)];
  const exact = (long / short) * shortest > longest ? (longest * short) / long : shortest;
  const edge = roundHalfEven(exact);
  if (edge === short) return [width, height];
  const other = Math.trunc((exact * long) / short);
  return width <= height ? [edge, other] : [other, edge];
}

/** In the middle of a square of the mean colour. */
function squared(image: RgbImage, settings: ProcessorSettings): RgbImage {
  const side = Math.max(image.width, image.height);
  const top = Math.ceil((image.height - side) / 2);
  const left = Math.ceil((image.width - side) / 2);
  const [red, green, blue] = settings.colour("image_mean").map((mean) => Math.trunc(mean * 255));
  return cut(image, { top, left, height: side, width: side }, [red ?? 0, green ?? 0, blue ?? 0]);
}
