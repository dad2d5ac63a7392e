import type { PictureMethod } from "./method.ts";
import { ascending, nearestOf, topScores } from "./top-scores.ts";

const IMPORTANT_SHARE = 0.5;
/** Tokens that go at a time. */
const STEP = 8;

export const vispruner: PictureMethod = {
  name: "vispruner",
  summary:
    "half by the class token's attention, half by how little they are alike (VisPruner, arXiv:2412.01818)",
  place: "picture",
  needs: ["classAttention", "stateProducts"],
  choose(picture, keep) {
    const { count } = picture;
    const { of } = picture.cosines("stateProducts");
    const ordered = topScores(picture.attention("classAttention"), count);
    const important = Math.floor(IMPORTANT_SHARE * keep);
    const diverse = keep - important;
    let rest = ordered.slice(important);
    while (rest.length > diverse) {
      const going = Math.min(STEP, rest.length - diverse);
      const even = rest.filter((_, i) => i % 2 === 0);
      const odd = rest.filter((_, i) => i % 2 === 1);
      const likeness = even.map((a) => of[a * count + nearestOf(of, a * count, odd)] as number);
      const distinct = topScores(likeness, even.length).slice(going);
      rest = [...distinct.map((i) => even[i] as number), ...odd];
    }
    return { kept: ascending([...ordered.slice(0, important), ...rest]) };
  },
};
