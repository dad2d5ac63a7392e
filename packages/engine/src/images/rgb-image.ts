/** A picture of 8 bits a channel: `data` is `[height, width, 3]`, red first. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export type Colour = readonly [number, number, number];

/** A part of a picture; what of it lies outside the picture has the colour `fill`. */
export function cut(
  image: RgbImage,
  place: { readonly top: number; readonly left: number; readonly height: number; readonly width: number },
  fill: Colour = [0, 0, 0],
): RgbImage {
  const { top, left, height, width } = place;
  const data = new Uint8Array(height * width * 3);
  const [first, end] = [Math.max(0, left), Math.min(image.width, left + width)];
  const [upper, lower] = [Math.max(0, top), Math.min(image.height, top + height)];
  const isWhole = end - first === width && lower - upper === height;
  if (!isWhole && fill.some((level) => level !== 0)) {
    for (let i = 0; i < data.length; i++) data[i] = fill[i % 3] as number;
  }
  for (let y = upper; y < lower && first < end; y++) {
    const row = image.data.subarray((y * image.width + first) * 3, (y * image.width + end) * 3);
    data.set(row, ((y - top) * width + first - left) * 3);
  }
  return { width, height, data };
}

/** The middle of a picture; a smaller picture gets a black border. */
export function centreCrop(image: RgbImage, height: number, width: number): RgbImage {
  const top = Math.floor((image.height - height) / 2);
  const left = Math.floor((image.width - width) / 2);
  return cut(image, { top, left, height, width });
}
