import type { ModelForward, Positions } from "@vlmopt/models";
import type { TokenPrompt } from "../generate/generate-tokens.ts";

/** Places of a prompt's tokens; those of pictures that lost some have theirs still. */
export function promptPlaces(forward: ModelForward, { ids, images, places }: TokenPrompt): Positions {
  return (
    places ??
    forward.promptPositions(
      ids,
      images.flatMap(({ grid }) => (grid === undefined ? [] : [grid])),
    )
  );
}

/**
 * A prompt without the picture tokens that did not stay.
 * @param prompt with all tokens of its pictures
 */
export function keptPrompt(forward: ModelForward, prompt: TokenPrompt): TokenPrompt {
  const { ids, images } = prompt;
  const reductions = images.map(({ features }) => features.reduced);
  if (reductions.every((reduced) => reduced === undefined)) return prompt;
  const places = promptPlaces(forward, prompt);
  const rows: number[] = [];
  const sizes: number[] = [];
  let row = 0;
  const take = (at: number, size = 1) => {
    rows.push(at);
    sizes.push(size);
  };
  // Tokens of a picture may have marks of its tiles between them.
  const pictures = images.map(({ features }, n) => ({
    total: reductions[n]?.of ?? features.rows,
    sizeOf: sizeOfToken(reductions[n]),
  }));
  for (const { total, sizeOf } of pictures) {
    for (let token = 0; token < total; row++) {
      if (ids[row] !== forward.imageToken) {
        take(row);
        continue;
      }
      const size = sizeOf(token++);
      if (size !== undefined) take(row, size);
    }
  }
  for (; row < ids.length; row++) take(row);
  return {
    ids: rows.map((at) => ids[at] as number),
    images,
    places: {
      axes: places.axes.map((axis) => Int32Array.from(rows, (at) => axis[at] as number)),
      next: places.next,
    },
    ...(sizes.some((size) => size !== 1) ? { sizes } : {}),
  };
}

/** How often a token counts; undefined where it does not stay. */
function sizeOfToken(
  reduced: TokenPrompt["images"][number]["features"]["reduced"],
): (token: number) => number | undefined {
  if (reduced === undefined) return () => 1;
  const { kept, sizes } = reduced;
  const found = new Map(kept.map((token, i) => [token, sizes?.[i] ?? 1]));
  return (token) => found.get(token);
}
