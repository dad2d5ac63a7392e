import type { RgbImage } from "../rgb-image.ts";

/** The picture that tools/reference/engine_images.py makes of the same numbers: a slope in each colour, under noise. */
export function madeImage(width: number, height: number, seed: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const [x, y, channel] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    let hash = Math.imul(i + Math.imul(seed, 7919), 0x9e3779b1);
    hash = Math.imul(hash ^ (hash >>> 15), 0x85ebca6b);
    data[i] = (hash >>> 25) + ((x * 5 + y * 3 + channel * 40) & 127);
  }
  return { width, height, data };
}
