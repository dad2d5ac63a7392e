import type { Cosines } from "./cosines.ts";
import type { MergedTokens } from "./method.ts";
import { nearestOf } from "./top-scores.ts";

/** Every token that does not stay joins the one kept that it is most like; their mean takes its place. */
export function mergeNearest({ count, of }: Cosines, kept: readonly number[]): MergedTokens {
  const groups = new Map(kept.map((token) => [token, [token]]));
  for (let token = 0; token < count; token++) {
    if (!groups.has(token)) groups.get(nearestOf(of, token * count, kept))?.push(token);
  }
  const members = [...groups.values()];
  return {
    shares: members.map((tokens) => tokens.map((token) => [token, 1 / tokens.length] as const)),
    sizes: members.map(({ length }) => length),
    of: "features",
  };
}
