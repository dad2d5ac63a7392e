import type { Compression } from "@vlmopt/compress";
import type { PruningLabel } from "../records/run-summary.ts";

/** How reports name a pruning. Layers count as a number, since a model's depth is not known before it is opened. */
export function pruningLabels(spec: Compression | undefined): PruningLabel[] {
  if (spec === undefined) return [];
  const { glu, heads, l1, dropLayers, dropLast, dropMiddle, dropLowest } = spec;
  const layers = spec.layers ?? dropLayers?.length ?? dropLast ?? dropMiddle ?? dropLowest;
  const of = (kind: PruningLabel["kind"], value: number | undefined): PruningLabel[] =>
    value === undefined ? [] : [{ kind, ratio: value }];
  return [...of("glu", glu), ...of("heads", heads), ...of("layers", layers), ...of("l1", l1)];
}
