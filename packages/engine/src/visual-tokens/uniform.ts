import type { PictureMethod } from "./method.ts";

export const uniform: PictureMethod = {
  name: "uniform",
  summary: "every so many-th token: what others must be better than",
  place: "picture",
  needs: [],
  choose: ({ count }, keep) => ({
    kept: Array.from({ length: keep }, (_, i) => Math.floor((i * count) / keep)),
  }),
};
