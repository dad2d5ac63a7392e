import type { MergedTokens, PictureMethod } from "./method.ts";
import { ascending, nearestOf, topScores } from "./top-scores.ts";

/** Of 64 tokens, ten stand for others. */
const CONTEXTUAL = 10 / 64;

export const visionzip: PictureMethod = {
  name: "visionzip",
  summary:
    "tokens that the class token attends to, and sums that stand for the others (VisionZip, arXiv:2412.04467)",
  place: "picture",
  needs: ["classAttention", "keyProducts", "states"],
  choose(picture, keep) {
    const { count } = picture;
    const contextual = Math.floor(CONTEXTUAL * keep + 0.5);
    const dominant = topScores(picture.attention("classAttention"), keep - contextual);
    const isDominant = new Set(dominant);
    const others = Array.from({ length: count }, (_, i) => i).filter((i) => !isDominant.has(i));
    const step = Math.max(1, Math.floor(others.length / Math.max(1, contextual)));
    const targets = others.filter((_, i) => i % step === 0).slice(0, contextual);
    const members = new Map<number, number[]>(targets.map((target) => [target, []]));
    const { of } = picture.cosines("keyProducts");
    for (const other of others) {
      if (members.has(other)) continue;
      members.get(nearestOf(of, other * count, targets))?.push(other);
    }
    const kept = ascending([...dominant, ...targets]);
    const shares: MergedTokens["shares"] = kept.map((token) => {
      // A target has the mean of the others added to it.
      const joining = members.get(token) ?? [];
      return [[token, 1], ...joining.map((other) => [other, 1 / joining.length] as const)];
    });
    const sizes = kept.map((token) => 1 + (members.get(token)?.length ?? 0));
    return { kept, merged: { shares, sizes, of: "states" } };
  },
};
