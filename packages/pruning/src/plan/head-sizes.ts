import { type PrunableAttention, type PrunableLayer, PruningError } from "../prunable.ts";
import { assertRatio } from "./choose.ts";

export interface HeadTargets {
  /** Share that goes; ⌈ratio · count⌉ of the heads, of each group's heads, or of the groups. */
  readonly ratio: number;
  /**
   * - `per-layer` (default): every layer keeps its own best heads
   * - `seed`: scores are averaged over the layers and the same heads leave all of them
   */
  readonly mode?: "per-layer" | "seed" | undefined;
  /**
   * What goes where several query heads share a key-value head: the same number of query heads from every group (`within-groups`, the
   * default), or whole groups with their key-value heads (`groups`), which makes the cache smaller too.
   */
  readonly unit?: "within-groups" | "groups" | undefined;
}

/** Units of a layer's attention, and how many of them stay. */
export interface HeadSizes {
  /** Query heads, or key-value heads with the query heads that share them. */
  readonly unit: "query" | "group";
  readonly mode: "per-layer" | "seed";
  /** The units fall into so many equal parts, each of which keeps `keep`. */
  readonly parts: number;
  /** Units of each part, before and after. */
  readonly count: number;
  readonly keep: number;
  readonly numHeads: number;
  readonly numKvHeads: number;
}

/** @throws {PruningError} where nothing would be left, or a layer's attention is not like the others' */
export function headSizes(
  layers: readonly PrunableLayer[],
  { ratio, mode = "per-layer", unit = "within-groups" }: HeadTargets,
): HeadSizes {
  assertRatio(ratio, "of heads");
  const [first] = layers.map((layer, index) => attentionOf(layer, index));
  if (first === undefined) throw new PruningError("a model without layers has no heads");
  layers.forEach((layer, index) => {
    const { numHeads, numKvHeads } = attentionOf(layer, index);
    if (numHeads === first.numHeads && numKvHeads === first.numKvHeads) return;
    throw new PruningError(
      `layer ${index} has ${numHeads} heads of ${numKvHeads} key-value heads and layer 0 ${first.numHeads} of ${first.numKvHeads}`,
    );
  });
  const { numHeads, numKvHeads } = first;
  const group = numHeads / numKvHeads;
  const wholeGroups = group === 1 || unit === "groups";
  const count = wholeGroups ? numKvHeads : group;
  const keep = count - Math.ceil(ratio * count);
  if (keep < 1) {
    const what = wholeGroups && group > 1 ? "groups of heads" : "heads";
    throw new PruningError(
      `a ratio of ${ratio} leaves none of ${count} ${what}${wholeGroups ? "" : " in each group"}`,
    );
  }
  return {
    unit: wholeGroups ? "group" : "query",
    mode,
    parts: wholeGroups ? 1 : numKvHeads,
    count,
    keep,
    numHeads: wholeGroups ? keep * group : keep * numKvHeads,
    numKvHeads: wholeGroups ? keep : numKvHeads,
  };
}

export function attentionOf({ attention }: PrunableLayer, index: number): PrunableAttention {
  if (attention === undefined) throw new PruningError(`layer ${index} has no attention block`);
  return attention;
}
