import { ConfigError } from "../../description.ts";

/** How LLaVA-NeXT cuts pictures. */
export interface TileSettings {
  /** Heights and widths that a picture may be fitted into. */
  readonly pinpoints: readonly (readonly [number, number])[];
  /** Pixels along each side of a tile. */
  readonly size: number;
  /** Patches along each side of a tile. */
  readonly grid: number;
}

/**
 * The size of most usable pixels for a picture `[height, width]`; of equal ones, that which wastes least.
 * @throws {ConfigError} where there is none to choose from
 */
export function bestResolution(
  [height, width]: readonly [number, number],
  pinpoints: TileSettings["pinpoints"],
): readonly [number, number] {
  let best: readonly [number, number] | undefined;
  let [mostUsed, leastWasted] = [0, Number.POSITIVE_INFINITY];
  for (const candidate of pinpoints) {
    const [tall, wide] = candidate;
    const scale = Math.min(wide / width, tall / height);
    const used = Math.min(Math.trunc(width * scale) * Math.trunc(height * scale), width * height);
    const wasted = wide * tall - used;
    if (used > mostUsed || (used === mostUsed && wasted < leastWasted)) {
      [best, mostUsed, leastWasted] = [candidate, used, wasted];
    }
  }
  if (best === undefined) throw new ConfigError("image_grid_pinpoints is empty");
  return best;
}

/**
 * The order in which features enter the prompt: the whole picture's, then the tiles' line by line without what was padding, a newline after
 * each line.
 * @returns rows of `tiles · grid²` features followed by the newline
 */
export function tileRows(
  originalSize: readonly [number, number],
  tiles: number,
  { pinpoints, size, grid }: TileSettings,
): number[] {
  const perTile = grid * grid;
  const newline = tiles * perTile;
  const whole = Array.from({ length: perTile }, (_, i) => i);
  if (tiles === 1) return [...whole, newline];
  const [tall, wide] = bestResolution(originalSize, pinpoints);
  const across = Math.floor(wide / size);
  const used = unpadded(originalSize, [Math.floor(tall / size) * grid, across * grid]);
  const rows = whole;
  for (let y = used.top; y < used.bottom; y++) {
    for (let x = used.left; x < used.right; x++) {
      const tile = 1 + Math.floor(y / grid) * across + Math.floor(x / grid);
      rows.push(tile * perTile + (y % grid) * grid + (x % grid));
    }
    rows.push(newline);
  }
  return rows;
}

/** Part of a grid that a picture covers when it is fitted into it with its shape kept. */
function unpadded([height, width]: readonly [number, number], [rows, columns]: readonly [number, number]) {
  // Rounded as the reference does, so that 23.9999999 counts as 24.
  const whole = (value: number) => Math.trunc(Number(value.toFixed(7)));
  if (width / height > columns / rows) {
    const padding = Math.floor((rows - whole((height * columns) / width)) / 2);
    return { top: padding, bottom: rows - padding, left: 0, right: columns };
  }
  const padding = Math.floor((columns - whole((width * rows) / height)) / 2);
  return { top: 0, bottom: rows, left: padding, right: columns - padding };
}
