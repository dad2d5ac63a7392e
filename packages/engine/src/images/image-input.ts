import { decodeImage } from "./decode.ts";
import type { RgbImage } from "./rgb-image.ts";

/** A picture: the bytes of a file, its path, or its pixels. */
export type ImageInput = Uint8Array | string | RgbImage;

/** @throws {ImageError} where it is a file that cannot be read */
export async function pixelsOf(image: ImageInput): Promise<RgbImage> {
  return typeof image === "string" || image instanceof Uint8Array ? decodeImage(image) : image;
}
