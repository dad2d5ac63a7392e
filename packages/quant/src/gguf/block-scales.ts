import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";

/** Of each block the weight of largest magnitude, with its sign; of two equally large, the first. */
export function signedExtremes(weights: Float32Array, blockSize: number): Float32Array {
  const extremes = new Float32Array(weights.length / blockSize);
  for (let block = 0, i = 0; block < extremes.length; block++) {
    let magnitude = 0;
    let extreme = 0;
    for (const end = i + blockSize; i < end; i++) {
      if (Math.abs(weights[i] as number) > magnitude) {
        extreme = weights[i] as number;
        magnitude = Math.abs(extreme);
      }
    }
    extremes[block] = extreme;
  }
  return extremes;
}

/** 1 / scale in float32; 0 where that is infinite, for a block that decodes to zeros whatever its codes. */
export function reciprocal(scale: number): number {
  const inverse = Math.fround(1 / scale);
  return Number.isFinite(inverse) ? inverse : 0;
}

/**
 * Scales as bit patterns of F16, rounded to nearest even.
 * @throws {RangeError} for one that F16 cannot hold: infinity would take its block's weights with it
 */
export function scaleHalves(scales: Float32Array): Uint16Array {
  const bytes = fromFloat32(scales, "F16");
  const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, scales.length);
  const wrong = halves.findIndex((half) => (half & 0x7c00) === 0x7c00);
  if (wrong === -1) return halves;
  throw new RangeError(`a block needs the scale ${scales[wrong]}, and F16 ends at 65504`);
}

/** Numbers that bit patterns of F16 stand for. */
export function fromHalves(halves: Uint16Array): Float32Array {
  return toFloat32(new Uint8Array(halves.buffer, halves.byteOffset, halves.byteLength), "F16");
}

/** The F16 numbers that lie `offset` bytes into blocks of `blockBytes`. */
export function halvesAt(blocks: Uint8Array, blockBytes: number, offset: number): Float32Array {
  const halves = new Uint16Array(blocks.length / blockBytes);
  for (let i = 0, at = offset; i < halves.length; i++, at += blockBytes) {
    halves[i] = (blocks[at] as number) | ((blocks[at + 1] as number) << 8);
  }
  return fromHalves(halves);
}
