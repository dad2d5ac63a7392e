import { ConfigError, type HostTensor } from "@vlmopt/models";
import { ImageError } from "../image-error.ts";
import { resize } from "../resample.ts";
import type { RgbImage } from "../rgb-image.ts";
import { type Levels, levelsOf } from "./levels.ts";
import type { ImageProcessor } from "./prepared-image.ts";
import type { ProcessorSettings } from "./processor-settings.ts";
import { roundHalfEven } from "./round-half-even.ts";

interface PatchSettings {
  /** Pixels along each side of a patch. */
  readonly patch: number;
  /** Patches along each side of a block that becomes one token. */
  readonly merge: number;
  /** Frames in a patch; a still picture is repeated. */
  readonly frames: number;
}

/** Qwen2-VL, Qwen2.5-VL and Qwen3-VL: pictures keep their resolution within bounds and come as patches, flattened, block by block. */
export function qwenVlProcessor(settings: ProcessorSettings): ImageProcessor {
  const shape = {
    patch: settings.number("patch_size"),
    merge: settings.number("merge_size"),
    frames: settings.number("temporal_patch_size"),
  };
  const bounds = pixelBounds(settings);
  const resizes = settings.flag("do_resize");
  const levels = levelsOf(settings);
  const factor = shape.patch * shape.merge;
  return (image) => {
    const fitted = resizes ? resize(image, ...smartSize(image, factor, bounds), settings.filter()) : image;
    if (fitted.width % factor !== 0 || fitted.height % factor !== 0) {
      throw new ImageError(
        "too-narrow",
        `${image.width} × ${image.height} pixels cannot be cut into blocks of ${factor} without resizing: set do_resize`,
      );
    }
    return {
      pixels: patchTensor(fitted, shape, levels),
      grid: [1, fitted.height / shape.patch, fitted.width / shape.patch],
    };
  };
}

/** Fewest and most pixels, in whichever of three ways preprocessor_config.json has them. */
function pixelBounds(settings: ProcessorSettings): readonly [number, number] {
  const size = settings.sides("size");
  const bound = (key: string, edge: string) => {
    const value = settings.has(key) ? settings.number(key) : (size[edge] ?? size[key]);
    if (value !== undefined) return value;
    throw new ConfigError(`preprocessor_config.json has neither ${key} nor ${edge} of size`);
  };
  return [bound("min_pixels", "shortest_edge"), bound("max_pixels", "longest_edge")];
}

/**
 * Width and height as near to the picture's as multiples of `factor` within the bounds of pixels can be.
 * @throws {ImageError} where one side is 200 times the other and more
 */
export function smartSize(
  { width, height }: RgbImage,
  factor: number,
  [fewest, most]: readonly [number, number],
): readonly [number, number] {
  if (Math.max(width, height) / Math.min(width, height) > 200) {
    throw new ImageError(
      "too-narrow",
      `${width} × ${height} pixels: one side may be at most 200 times the other`,
    );
  }
  let wide = roundHalfEven(width / factor) * factor;
  let tall = roundHalfEven(height / factor) * factor;
  if (tall * wide > most) {
    const shrink = Math.sqrt((height * width) / most);
    tall = Math.max(factor, Math.floor(height / shrink / factor) * factor);
    wide = Math.max(factor, Math.floor(width / shrink / factor) * factor);
  } else if (tall * wide < fewest) {
    const grow = Math.sqrt(fewest / (height * width));
    tall = Math.ceil((height * grow) / factor) * factor;
    wide = Math.ceil((width * grow) / factor) * factor;
  }
  return [wide, tall];
}

/** @returns `[patches, 3 · frames · patch · patch]` */
function patchTensor(
  { width, height, data }: RgbImage,
  { patch, merge, frames }: PatchSettings,
  levels: Levels,
): HostTensor {
  const features = 3 * frames * patch * patch;
  const patches = (width / patch) * (height / patch);
  const out = new Float32Array(patches * features);
  const block = patch * merge;
  let target = 0;
  for (let blockTop = 0; blockTop < height; blockTop += block) {
    for (let blockLeft = 0; blockLeft < width; blockLeft += block) {
      for (let top = blockTop; top < blockTop + block; top += patch) {
        for (let left = blockLeft; left < blockLeft + block; left += patch) {
          for (let channel = 0; channel < 3; channel++) {
            const plane = target;
            for (let y = top; y < top + patch; y++) {
              let source = (y * width + left) * 3 + channel;
              for (let x = 0; x < patch; x++, source += 3) {
                out[target++] = levels[channel * 256 + (data[source] as number)] as number;
              }
            }
            for (let frame = 1; frame < frames; frame++) {
              out.copyWithin(target, plane, plane + patch * patch);
              target += patch * patch;
            }
          }
        }
      }
    }
  }
  return { shape: [patches, features], data: out };
}
