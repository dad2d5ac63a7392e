import { maxMinDiversity } from "./max-min-diversity.ts";
import type { PictureMethod } from "./method.ts";
import { ascending } from "./top-scores.ts";

export const divprune: PictureMethod = {
  name: "divprune",
  summary: "tokens that are least like each other (DivPrune, arXiv:2503.02175)",
  place: "picture",
  needs: ["featureProducts"],
  choose: (picture, keep) => ({
    kept: ascending(maxMinDiversity(picture.cosines("featureProducts"), keep)),
  }),
};
