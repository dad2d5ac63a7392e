/** Where the tokens of a prompt stand. */
export interface Positions {
  /** Of each axis, one for each token. */
  readonly axes: readonly Int32Array[];
  /** Of the token that comes next. */
  readonly next: number;
}

/**
 * Positions of a prompt's tokens: 0, 1, 2 … or, where image tokens stand in time, height and width (M-RoPE, arXiv:2409.12191), along three axes.
 * A picture's tokens all begin where the text before it ended; the text behind it goes on past the longer of its sides.
 * @param imageToken undefined in models without M-RoPE
 * @param grids patches of each picture, before they merge
 * @throws {RangeError} where the prompt has image tokens of other numbers than the pictures
 */
export function promptPositions(
  ids: ArrayLike<number>,
  imageToken: number | undefined,
  grids: readonly (readonly [number, number, number])[],
  mergeSize: number,
): Positions {
  const axes = [0, 1, 2].map(() => new Int32Array(ids.length));
  const [time, tall, wide] = axes as [Int32Array, Int32Array, Int32Array];
  let [next, token, picture] = [0, 0, 0];
  while (token < ids.length) {
    const grid = ids[token] === imageToken ? grids[picture] : undefined;
    if (grid === undefined) {
      if (ids[token] === imageToken)
        throw new RangeError(`the prompt has tokens for more than ${grids.length} pictures`);
      time[token] = tall[token] = wide[token] = next;
      next++;
      token++;
      continue;
    }
    const [frames, height, width] = [grid[0], grid[1] / mergeSize, grid[2] / mergeSize];
    for (let i = 0; i < frames * height * width; i++, token++) {
      if (ids[token] !== imageToken) {
        throw new RangeError(
          `picture ${picture} has ${frames * height * width} tokens, but the prompt holds ${i}`,
        );
      }
      time[token] = next + Math.floor(i / (height * width));
      tall[token] = next + (Math.floor(i / width) % height);
      wide[token] = next + (i % width);
    }
    next += Math.max(height, width);
    picture++;
  }
  return { axes: imageToken === undefined ? [time] : axes, next };
}
