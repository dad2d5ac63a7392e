import { ImageError } from "./image-error.ts";
import type { RgbImage } from "./rgb-image.ts";

/**
 * Pixels of a picture as the browser decodes it, upright, on white where it is transparent: what Node's decoder finds there, the colours
 * behind, a canvas does not tell. Colours are converted to sRGB, which Node's decoder leaves alone.
 * @param source the bytes of a file, or its URL
 * @throws {ImageError} where there is no such file, or no picture in it
 */
export async function decodeImage(source: Uint8Array | Blob | string): Promise<RgbImage> {
  const file = typeof source === "string" ? source : undefined;
  const blob = await blobOf(source);
  const bitmap = await createImageBitmap(blob, { imageOrientation: "from-image" }).catch((error: unknown) => {
    const message = `no picture can be read from its ${blob.size} bytes: ${reasonOf(error)}`;
    throw new ImageError("unreadable", message, { file, cause: error });
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (context === null) {
    const message = `this browser has no canvas of ${width} × ${height} pixels: make the picture smaller`;
    throw new ImageError("too-large", message, { file, pixels: width * height });
  }
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data: rgba } = context.getImageData(0, 0, width, height);
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from] as number;
    data[to + 1] = rgba[from + 1] as number;
    data[to + 2] = rgba[from + 2] as number;
  }
  return { width, height, data };
}

async function blobOf(source: Uint8Array | Blob | string): Promise<Blob> {
  if (source instanceof Blob) return source;
  if (source instanceof Uint8Array) return new Blob([source as Uint8Array<ArrayBuffer>]);
  const missing = (reason: string, cause?: unknown) =>
    new ImageError("missing", `cannot be read: ${reason}`, { file: source, cause });
  const response = await fetch(source).catch((error: unknown) => {
    throw missing(reasonOf(error), error);
  });
  if (!response.ok) throw missing(`the server answered ${response.status}`);
  return response.blob();
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
