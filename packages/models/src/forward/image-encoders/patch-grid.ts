import { ConfigError } from "../../description.ts";
import type { HostTensor } from "../ops.ts";

/** Patches of a picture in time, height and width. */
export type Grid = readonly [number, number, number];

/** Row and column of each patch, in the order in which the image processor gives them: block by block of those that merge. */
export function mergedOrder(
  grid: Grid | undefined,
  mergeSize: number,
): { readonly rows: readonly number[]; readonly columns: readonly number[] } {
  const [time, height, width] = known(grid);
  const [rows, columns]: [number[], number[]] = [[], []];
  for (let frame = 0; frame < time; frame++) {
    for (let y = 0; y < height; y += mergeSize) {
      for (let x = 0; x < width; x += mergeSize) {
        for (let dy = 0; dy < mergeSize; dy++) {
          for (let dx = 0; dx < mergeSize; dx++) {
            rows.push(y + dy);
            columns.push(x + dx);
          }
        }
      }
    }
  }
  return { rows, columns };
}

/**
 * Merged patches window by window.
 * @param windowSize merged patches along a window's side
 * @returns their numbers in that order, and how many each window has
 */
export function windowOrder(
  grid: Grid | undefined,
  mergeSize: number,
  windowSize: number,
): { readonly order: readonly number[]; readonly windows: readonly number[] } {
  const [time, tall, wide] = known(grid);
  const [height, width] = [Math.floor(tall / mergeSize), Math.floor(wide / mergeSize)];
  const [order, windows]: [number[], number[]] = [[], []];
  for (let frame = 0; frame < time; frame++) {
    for (let top = 0; top < height; top += windowSize) {
      for (let left = 0; left < width; left += windowSize) {
        const before = order.length;
        for (let y = top; y < Math.min(top + windowSize, height); y++) {
          for (let x = left; x < Math.min(left + windowSize, width); x++) {
            order.push((frame * height + y) * width + x);
          }
        }
        windows.push(order.length - before);
      }
    }
  }
  return { order, windows };
}

/** What to add to attention's scores so that tokens see only their own group: `[1, 1, tokens, tokens]`. */
export function seenWithin(groups: readonly number[]): HostTensor {
  const tokens = groups.reduce((sum, length) => sum + length, 0);
  const data = new Float32Array(tokens * tokens).fill(Number.NEGATIVE_INFINITY);
  let start = 0;
  for (const length of groups) {
    for (let row = start; row < start + length; row++) {
      data.fill(0, row * tokens + start, row * tokens + start + length);
    }
    start += length;
  }
  return { shape: [1, 1, tokens, tokens], data };
}

/** Rows of a square table of positions, and their shares, that a picture of any size takes by bilinear interpolation, corner on corner. */
export function tableCorners(
  { rows, columns }: { readonly rows: readonly number[]; readonly columns: readonly number[] },
  grid: Grid | undefined,
  side: number,
): { corners: HostTensor; shares: HostTensor } {
  const [, height, width] = known(grid);
  const corners = new Int32Array(4 * rows.length);
  const shares = new Float32Array(4 * rows.length);
  for (let patch = 0; patch < rows.length; patch++) {
    const vertical = ends(rows[patch] as number, height, side);
    const horizontal = ends(columns[patch] as number, width, side);
    for (let corner = 0; corner < 4; corner++) {
      const [y, x] = [vertical[corner >> 1] as End, horizontal[corner & 1] as End];
      corners[4 * patch + corner] = y.at * side + x.at;
      shares[4 * patch + corner] = Math.fround(y.share) * Math.fround(x.share);
    }
  }
  const shape = [rows.length, 4];
  return { corners: { shape, data: corners }, shares: { shape, data: shares } };
}

interface End {
  readonly at: number;
  readonly share: number;
}

/** The two places of an axis of `side` between which place `index` of `size` falls. */
function ends(index: number, size: number, side: number): [End, End] {
  const place = Math.fround((index * (side - 1)) / Math.max(size - 1, 1));
  const floor = Math.floor(place);
  const share = Math.fround(place - floor);
  return [
    { at: Math.min(floor, side - 1), share: 1 - share },
    { at: Math.min(floor + 1, side - 1), share },
  ];
}

/** @throws {ConfigError} where there is none */
export function known(grid: Grid | undefined): Grid {
  if (grid === undefined) throw new ConfigError("this model needs the picture's grid of patches");
  return grid;
}
