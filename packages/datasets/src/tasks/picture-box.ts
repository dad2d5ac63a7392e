import { DatasetError } from "../dataset-error.ts";
import { imageSize } from "./image-size.ts";

/**
 * A box `[x, y, width, height]` in pixels as `[left, top, right, bottom]` in shares of its picture, both as JSON.
 * @param picture bytes of a PNG, JPEG, GIF, WebP or BMP
 */
export function pictureBox(box: string, picture: Uint8Array): string {
  const size = imageSize(picture);
  if (size === undefined)
    throw new DatasetError(
      "missing-image",
      "the picture's size cannot be told: it is no PNG, JPEG, GIF, WebP or BMP",
    );
  const [x = 0, y = 0, width = 0, height = 0] = JSON.parse(box) as number[];
  return JSON.stringify([
    x / size.width,
    y / size.height,
    (x + width) / size.width,
    (y + height) / size.height,
  ]);
}
