import type { RgbImage } from "./rgb-image.ts";

/** A picture: the bytes of a file, its path (in a browser its URL), or its pixels. */
export type ImageInput = Uint8Array | Blob | string | RgbImage;

/** @throws {ImageError} where it is no file or no picture that can be read */
export type DecodeImage = (source: Uint8Array | Blob | string) => Promise<RgbImage>;

/** @throws {ImageError} where it is a file that cannot be read */
export async function pixelsOf(image: ImageInput, decodeImage: DecodeImage): Promise<RgbImage> {
  const isFile = typeof image === "string" || image instanceof Uint8Array || image instanceof Blob;
  return isFile ? decodeImage(image) : image;
}
