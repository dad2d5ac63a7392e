import type { TokenReduction } from "./reduce-picture.ts";

/** A picture as a grid of its tokens, and those that stayed: what a view needs. */
export interface PictureView {
  /** Tokens of a line, and lines. */
  readonly width: number;
  readonly height: number;
  /** Cells whose tokens stayed, line by line. */
  readonly stayed: readonly number[];
  /** Whether the grid lies on the middle of the picture, as far as its shape reaches, or on all of it. */
  readonly fit: "middle" | "whole";
}

/** Of pictures that were cut into tiles, the grid that shows the picture best: LLaVA-NeXT's tiles together, SmolVLM's picture as a whole. */
export function pictureView(modelType: string, { grids, kept }: TokenReduction): PictureView | undefined {
  const grid = modelType === "llava_next" || /idefics3|smolvlm/.test(modelType) ? grids.at(-1) : grids[0];
  if (grid === undefined) return undefined;
  const staying = new Set(kept);
  const cells = [...grid.tokens.keys()];
  return {
    width: grid.width,
    height: grid.tokens.length / grid.width,
    stayed: cells.filter((cell) => staying.has(grid.tokens[cell] as number)),
    // LLaVA-1.5's processor cuts the middle out; the others fit the whole picture in.
    fit: modelType === "llava" ? "middle" : "whole",
  };
}
