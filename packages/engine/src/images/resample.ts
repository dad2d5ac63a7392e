import type { RgbImage } from "./rgb-image.ts";

/** Pillow's filters. */
export type Filter = "nearest" | "box" | "bilinear" | "hamming" | "bicubic" | "lanczos";

/** Half a filter's width in source pixels where the picture is not made smaller, and its value at a distance from the middle. */
interface Kernel {
  readonly support: number;
  at(distance: number): number;
}

const sinc = (x: number) => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

const kernels: Readonly<Record<Exclude<Filter, "nearest">, Kernel>> = {
  box: { support: 0.5, at: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    // Pillow holds the two numbers in 32 bits.
    at: (x) =>
      Math.abs(x) >= 1 ? 0 : sinc(x) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(Math.PI * x)),
  },
  // Keys' cubic with a = −0.5, which OpenCV and PyTorch set to −0.75.
  bicubic: {
    support: 2,
    at(x) {
      const a = -0.5;
      const d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos: { support: 3, at: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** Bits behind the point of a weight: 32 less 8 of a level and 2 against overflow. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/** How each pixel of a line comes from the line before: weights of `counts[i]` neighbours from `starts[i]` on. */
interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `[out, stride]` */
  readonly weights: Int32Array;
  readonly stride: number;
}

/**
 * Resizes as `Image.resize` of Pillow 13 does, to the bit: filters widen with the reduction (so they do not alias), weights are
 * rounded to 22 bits, and both passes round to 8. Lines are resized before columns, unless the height shrinks by more than twice
 * the pixels that the width does; Pillow 12 and older always begin with lines, which moves some levels by 1.
 * @throws {RangeError} where a side is no whole number of at least 1
 */
export function resize(image: RgbImage, width: number, height: number, filter: Filter): RgbImage {
  if (!(Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0)) {
    throw new RangeError(`a picture cannot be resized to ${width} × ${height}: both sides need a pixel`);
  }
  if (image.width === width && image.height === height) return image;
  if (filter === "nearest") return takeNearest(image, width, height);
  const kernel = kernels[filter];
  const shrinks = image.height - height;
  return shrinks > 0 && shrinks > (image.width - width) * 2
    ? resizeLines(resizeColumns(image, height, kernel), width, kernel)
    : resizeColumns(resizeLines(image, width, kernel), height, kernel);
}

function tapsOf({ support, at }: Kernel, from: number, to: number): Taps {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const stride = Math.ceil(reach) * 2 + 1;
  const [starts, counts] = [new Int32Array(to), new Int32Array(to)];
  const weights = new Int32Array(to * stride);
  const exact = new Float64Array(stride);
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - reach + 0.5));
    const count = Math.min(from, Math.trunc(centre + reach + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      const weight = at((k + start - centre + 0.5) * (1 / stretch));
      exact[k] = weight;
      sum += weight;
    }
    for (let k = 0; k < count; k++) {
      const weight = (exact[k] as number) / (sum === 0 ? 1 : sum);
      weights[i * stride + k] = Math.trunc(weight * (1 << PRECISION) + (weight < 0 ? -0.5 : 0.5));
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { starts, counts, weights, stride };
}

function resizeLines(image: RgbImage, width: number, kernel: Kernel): RgbImage {
  if (image.width === width) return image;
  const { height } = image;
  const taps = tapsOf(kernel, image.width, width);
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const source = (y * image.width + (taps.starts[x] as number)) * 3;
      writePixel(image.data, source, 3, taps, x, out, (y * width + x) * 3);
    }
  }
  return { width, height, data: new Uint8Array(out.buffer) };
}

function resizeColumns(image: RgbImage, height: number, kernel: Kernel): RgbImage {
  if (image.height === height) return image;
  const { width } = image;
  const taps = tapsOf(kernel, image.height, height);
  const out = new Uint8ClampedArray(width * height * 3);
  for (let y = 0; y < height; y++) {
    const source = (taps.starts[y] as number) * width * 3;
    for (let x = 0; x < width; x++) {
      writePixel(image.data, source + x * 3, width * 3, taps, y, out, (y * width + x) * 3);
    }
  }
  return { width, height, data: new Uint8Array(out.buffer) };
}

/** The weighted sum of pixels that lie `step` apart, by the weights of place `i`. */
function writePixel(
  data: Uint8Array,
  first: number,
  step: number,
  { counts, weights, stride }: Taps,
  i: number,
  out: Uint8ClampedArray,
  target: number,
): void {
  let red = HALF;
  let green = HALF;
  let blue = HALF;
  const end = i * stride + (counts[i] as number);
  for (let k = i * stride, source = first; k < end; k++, source += step) {
    // `imul` because a level of 0 times a negative weight would be −0, which is no integer and slows the whole loop.
    const weight = weights[k] as number;
    red = (red + Math.imul(data[source] as number, weight)) | 0;
    green = (green + Math.imul(data[source + 1] as number, weight)) | 0;
    blue = (blue + Math.imul(data[source + 2] as number, weight)) | 0;
  }
  out[target] = red >> PRECISION;
  out[target + 1] = green >> PRECISION;
  out[target + 2] = blue >> PRECISION;
}

function takeNearest({ data, width: from, height: tall }: RgbImage, width: number, height: number): RgbImage {
  const columns = nearestOf(from, width);
  const rows = nearestOf(tall, height);
  const out = new Uint8Array(width * height * 3);
  let target = 0;
  for (const row of rows) {
    for (const column of columns) {
      const source = (row * from + column) * 3;
      out[target++] = data[source] as number;
      out[target++] = data[source + 1] as number;
      out[target++] = data[source + 2] as number;
    }
  }
  return { width, height, data: out };
}

function nearestOf(from: number, to: number): Int32Array {
  const step = from / to;
  const places = new Int32Array(to);
  // Added up rather than multiplied, as Pillow does: the rounding decides at edges.
  for (let i = 0, place = step * 0.5; i < to; i++, place += step) places[i] = Math.floor(place);
  return places;
}
