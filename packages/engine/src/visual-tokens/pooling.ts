import type { TokenGrid } from "@vlmopt/models";
import type { MergedTokens, PictureMethod } from "./method.ts";

export const pooling: PictureMethod = {
  name: "pooling",
  summary: "means of neighbours, as many as make whole lines: what others must be better than",
  place: "picture",
  needs: [],
  choose({ grids, count }, keep) {
    const pools = grids.flatMap((grid) =>
      poolsOf(grid, Math.max(1, Math.floor((keep * grid.tokens.length) / count))),
    );
    const ordered = pools.sort((a, b) => a.middle - b.middle);
    const shares: MergedTokens["shares"] = ordered.map(({ tokens }) =>
      tokens.map((token) => [token, 1 / tokens.length] as const),
    );
    const sizes = ordered.map(({ tokens }) => tokens.length);
    return { kept: ordered.map(({ middle }) => middle), merged: { shares, sizes, of: "features" } };
  },
};

interface Pool {
  readonly tokens: readonly number[];
  /** In whose place their mean stands. */
  readonly middle: number;
}

/** As `AdaptiveAvgPool2d` of PyTorch cuts: cells of nearly one size, which share a line where sizes do not divide. */
function poolsOf({ tokens, width }: TokenGrid, keep: number): Pool[] {
  const height = tokens.length / width;
  const [down, across] = poolGrid(height, width, keep);
  const cells = (size: number, count: number) =>
    Array.from({ length: count }, (_, i) => [
      Math.floor((i * size) / count),
      Math.ceil(((i + 1) * size) / count),
    ]) as [number, number][];
  return cells(height, down).flatMap(([top, bottom]) =>
    cells(width, across).map(([left, right]) => {
      const inside: number[] = [];
      for (let y = top; y < bottom; y++) {
        for (let x = left; x < right; x++) inside.push(tokens[y * width + x] as number);
      }
      const [y, x] = [(top + bottom - 1) >> 1, (left + right - 1) >> 1];
      return { tokens: inside, middle: tokens[y * width + x] as number };
    }),
  );
}

/** The most cells that are no more than `keep`, none more than twice as long as wide; of those, the squarest. */
export function poolGrid(height: number, width: number, keep: number): readonly [number, number] {
  let best: readonly [number, number] = [1, 1];
  let leastStretch = Number.POSITIVE_INFINITY;
  for (let down = 1; down <= Math.min(height, keep); down++) {
    const across = Math.min(width, Math.floor(keep / down));
    const stretch = Math.abs(Math.log((height * across) / (width * down)));
    const more = down * across - best[0] * best[1];
    if (stretch > Math.LN2 + 1e-9 || more < 0 || (more === 0 && stretch >= leastStretch)) continue;
    [best, leastStretch] = [[down, across], stretch];
  }
  return best;
}
