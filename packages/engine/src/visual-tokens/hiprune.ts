import type { TokenGrid } from "@vlmopt/models";
import type { PictureMethod } from "./method.ts";
import { ascending, topScores } from "./top-scores.ts";

/** Share of the tokens that are anchors in a middle layer, and their neighbours. */
const ANCHORED = 0.1;
/** An anchor and its four neighbours. */
const GROUP = 5;

export const hiprune: PictureMethod = {
  name: "hiprune",
  summary:
    "by the attention of all tokens, in a middle layer and in the last one (HiPrune, arXiv:2508.00553)",
  place: "picture",
  needs: ["objectAttention", "deepAttention"],
  choose(picture, keep) {
    const anchors = topScores(picture.attention("objectAttention"), Math.round((ANCHORED * keep) / GROUP));
    const kept = new Set(anchors.flatMap((anchor) => [anchor, ...neighboursOf(anchor, picture.grids)]));
    const deep = topScores(picture.attention("deepAttention"), picture.count);
    for (const token of deep) if (kept.size < keep) kept.add(token);
    return { kept: ascending(kept).slice(0, keep) };
  },
};

/** Left, right, above and below as its grid counts; at the ends of the grid, its first or last token. */
function neighboursOf(token: number, grids: readonly TokenGrid[]): number[] {
  for (const { tokens, width } of grids) {
    const place = tokens.indexOf(token);
    if (place === -1) continue;
    return [-1, 1, -width, width].map(
      (step) => tokens[Math.min(tokens.length - 1, Math.max(0, place + step))] as number,
    );
  }
  return [];
}
