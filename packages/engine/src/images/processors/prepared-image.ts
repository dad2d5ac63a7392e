import type { ProcessedImage } from "@vlmopt/models";
import type { RgbImage } from "../rgb-image.ts";

/** A picture as its model takes it, with what a prompt has to know of it. */
export interface PreparedImage extends ProcessedImage {
  /** Rows and columns of tiles besides the whole picture, of Idefics3 and SmolVLM; 0 where it was not cut. */
  readonly tiles?: readonly [number, number];
}

/**
 * Prepares a picture: the numbers of transformers' processors of the Pillow backend, to the bit. Its torchvision backend, the default
 * since transformers 5, differs: by 1 or 2 levels of 255 here and there (0.01 on average), by up to 15 where a noisy picture is
 * enlarged by a few pixels, and a crop that exceeds the picture by an odd number of pixels sits one pixel off.
 * @throws {ImageError} where the picture's shape is one that the model does not take
 */
export type ImageProcessor = (image: RgbImage) => PreparedImage;
