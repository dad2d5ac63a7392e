import {
  type PrunableAttention,
  type PrunableLayer,
  type PrunableLinear,
  PruningError,
} from "../prunable.ts";
import { assertRatio, highest } from "./choose.ts";
import { toRanges } from "./index-ranges.ts";
import type { Cut } from "./pruning-plan.ts";

export interface HeadRequest {
  /** One array a layer, a figure a query head, from `scoreHeads` or from anywhere else. */
  readonly scores: readonly ArrayLike<number>[];
  /** Share that goes; ⌈ratio · count⌉ of the heads, of each group's heads, or of the groups. */
  readonly ratio: number;
  /**
   * - `per-layer` (default): every layer keeps its own best heads
   * - `seed`: scores are averaged over the layers and the same heads leave all of them
   */
  readonly mode?: "per-layer" | "seed";
  /**
   * What goes where several query heads share a key-value head: the same number of query heads from every group (`within-groups`, the
   * default), or whole groups with their key-value heads (`groups`), which makes the cache smaller too.
   */
  readonly unit?: "within-groups" | "groups";
}

export function cutHeads(
  layers: readonly PrunableLayer[],
  kept: readonly number[],
  request: HeadRequest,
): Cut[] {
  assertRatio(request.ratio, "of heads");
  const scores =
    request.mode === "seed" ? averaged(kept.map((layer) => scoresOf(request, layer))) : undefined;
  return kept.flatMap((index) => {
    const attention = layers[index]?.attention;
    if (attention === undefined) throw new PruningError(`layer ${index} has no attention block`);
    return cutAttention(index, attention, scores ?? scoresOf(request, index), request);
  });
}

function scoresOf({ scores }: HeadRequest, layer: number): ArrayLike<number> {
  const found = scores[layer];
  if (found === undefined) throw new PruningError(`no scores were given for the heads of layer ${layer}`);
  return found;
}

function averaged(scores: readonly ArrayLike<number>[]): number[] {
  const heads = scores[0]?.length ?? 0;
  return Array.from({ length: heads }, (_, head) => {
    const sum = scores.reduce((total, layer) => total + (layer[head] as number), 0);
    return sum / scores.length;
  });
}

function cutAttention(
  layer: number,
  attention: PrunableAttention,
  scores: ArrayLike<number>,
  { ratio, unit = "within-groups" }: HeadRequest,
): Cut[] {
  const { qProj, kProj, vProj, oProj, numHeads, numKvHeads, headDim } = attention;
  if (scores.length !== numHeads) {
    throw new PruningError(`layer ${layer} has ${numHeads} heads and ${scores.length} scores`);
  }
  const group = numHeads / numKvHeads;
  const wholeGroups = group === 1 || unit === "groups";
  const groups = Array.from({ length: numKvHeads }, (_, g) =>
    Array.from({ length: group }, (_, i) => g * group + i),
  );
  const total = wholeGroups ? numKvHeads : group;
  const keep = total - Math.ceil(ratio * total);
  if (keep < 1) {
    const what = wholeGroups && group > 1 ? "groups of heads" : "heads";
    throw new PruningError(
      `a ratio of ${ratio} leaves none of ${total} ${what}${wholeGroups ? "" : " in each group"}`,
    );
  }
  // A group is worth what its heads are worth together: norms add as squares.
  const groupScores = groups.map((heads) =>
    heads.reduce((sum, head) => sum + (scores[head] as number) ** 2, 0),
  );
  const keptGroups = wholeGroups
    ? highest(group === 1 ? scores : groupScores, keep)
    : groups.map((_, g) => g);
  const keptHeads = wholeGroups
    ? keptGroups.flatMap((g) => groups[g] ?? [])
    : groups.flatMap((heads) =>
        highest(
          heads.map((head) => scores[head] as number),
          keep,
        ).map((i) => heads[i] as number),
      );
  const names = (linears: readonly PrunableLinear[]) =>
    linears.flatMap(({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias]));
  const heads: Cut = {
    layer,
    what: "heads",
    count: numHeads,
    kept: toRanges(keptHeads),
    size: headDim,
    rows: names([qProj]),
    columns: [oProj.weight],
  };
  const kvHeads: Cut = {
    layer,
    what: "kvHeads",
    count: numKvHeads,
    kept: toRanges(keptGroups),
    size: headDim,
    rows: names([kProj, vProj]),
    columns: [],
  };
  return wholeGroups ? [heads, kvHeads] : [heads];
}
