import { readFile } from "node:fs/promises";
import { checkOptions, whole } from "@vlmopt/options";
import sharp, { type Metadata, type Sharp } from "sharp";
import { ImageError } from "./image-error.ts";
import type { RgbImage } from "./rgb-image.ts";

export interface DecodeOptions {
  /** Pictures of more pixels are refused before they are decoded. Default: 178,956,970, above which Pillow speaks of a bomb. */
  readonly maxPixels?: number;
}

/** A quarter of a GiB at 3 bytes a pixel, twice. */
const pillowsLimit = 178_956_970;

/**
 * Decodes JPEG, PNG, WebP, GIF (the first frame) and what else sharp reads into the RGB that `load_image` of transformers gives:
 * turned upright by its EXIF orientation, then Pillow's `convert("RGB")`, which drops alpha instead of blending it, repeats grey in all
 * three channels and disregards colour profiles. Of 16 bits the upper 8 are kept; Pillow does so in colour, but clips grey, which makes
 * such pictures white.
 * @param source the bytes of a file, or its path
 * @throws {ImageError} where there is no such file, no picture in it, it is cut off, or has more pixels than `maxPixels`
 */
export async function decodeImage(
  source: Uint8Array | Blob | string,
  options: DecodeOptions = {},
): Promise<RgbImage> {
  checkOptions("decodeImage", options, { maxPixels: whole({ endless: true }) });
  const { maxPixels = pillowsLimit } = options;
  const file = typeof source === "string" ? source : undefined;
  const bytes = await bytesOf(source);
  try {
    const picture = sharp(bytes, { failOn: "error", limitInputPixels: false, ignoreIcc: true });
    const metadata = await picture.metadata();
    const pixels = metadata.width * metadata.height;
    if (pixels > maxPixels) {
      const size = `${metadata.width} × ${metadata.height} = ${pixels} pixels`;
      throw new ImageError(
        "too-large",
        `the picture has ${size}; at most ${maxPixels} are decoded: make it smaller or raise maxPixels`,
        { file, pixels, limit: maxPixels },
      );
    }
    return await decodeRgb(picture, metadata);
  } catch (error) {
    if (error instanceof ImageError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new ImageError("unreadable", `no picture can be read from its ${bytes.length} bytes: ${reason}`, {
      file,
      cause: error,
    });
  }
}

async function bytesOf(source: Uint8Array | Blob | string): Promise<Uint8Array> {
  if (source instanceof Uint8Array) return source;
  return source instanceof Blob ? new Uint8Array(await source.arrayBuffer()) : read(source);
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ImageError("missing", `cannot be read: ${reason}`, { file: path, cause: error });
  }
}

async function decodeRgb(picture: Sharp, metadata: Metadata): Promise<RgbImage> {
  const upright = picture.autoOrient();
  if (metadata.space === "cmyk") {
    const { data, info } = await upright
      .pipelineColourspace("cmyk")
      .toColourspace("cmyk")
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, data: fromCmyk(data) };
  }
  const { data, info } = await upright
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  return {
    width: info.width,
    height: info.height,
    data: new Uint8Array(data.buffer, data.byteOffset, data.length),
  };
}

/** As Pillow converts: without profiles, each ink darkened by black. */
function fromCmyk(data: Uint8Array): Uint8Array {
  const out = new Uint8Array((data.length / 4) * 3);
  for (let i = 0, target = 0; i < data.length; i += 4) {
    const light = 255 - (data[i + 3] as number);
    for (let ink = 0; ink < 3; ink++) {
      out[target++] = Math.max(0, light - dividedBy255((data[i + ink] as number) * light));
    }
  }
  return out;
}

/** Rounded, for products of two levels. */
function dividedBy255(product: number): number {
  const shifted = product + 128;
  return ((shifted >> 8) + shifted) >> 8;
}
