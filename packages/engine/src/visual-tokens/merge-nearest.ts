import type { Cosines } from "./cosines.ts";
import type { MergedTokens } from "./method.ts";

/** Every token that does not stay joins the one kept that it is most like; their mean takes its place. */
export function mergeNearest({ count, of }: Cosines, kept: readonly number[]): MergedTokens {
  const members: number[][] = kept.map((token) => [token]);
  const isKept = new Set(kept);
  for (let token = 0; token < count; token++) {
    if (isKept.has(token)) continue;
    let [nearest, most] = [0, Number.NEGATIVE_INFINITY];
    for (const [i, other] of kept.entries()) {
      const cosine = of[token * count + other] as number;
      if (cosine > most) [nearest, most] = [i, cosine];
    }
    members[nearest]?.push(token);
  }
  return {
    shares: members.map((tokens) => tokens.map((token) => [token, 1 / tokens.length] as const)),
    sizes: members.map(({ length }) => length),
    of: "features",
  };
}
