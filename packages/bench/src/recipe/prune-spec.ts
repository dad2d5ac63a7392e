import type { PruningRecipe } from "@vlmopt/pruning";
import { z } from "zod";
import type { PruningLabel } from "../records/run-summary.ts";
import { oneOf } from "./one-of.ts";

const ratio = z.number().gt(0, "is a share between 0 and 1").lt(1, "is a share between 0 and 1");
const count = z.int().min(1);

/** What is cut from a model, as options of `vlmopt prune` name it. */
export const pruneSchema = z.strictObject({
  /** Share of the MLP's neurons that goes. */
  glu: ratio.optional(),
  method: oneOf("method", ["maw", "vow", "pon", "l2", "random"]).optional(),
  divisor: count.optional(),
  /** Share of the attention heads that goes. */
  heads: ratio.optional(),
  headsMode: oneOf("mode", ["per-layer", "seed"]).optional(),
  kvGroups: z.boolean().optional(),
  dropLayers: z.array(z.int().min(0)).min(1).optional(),
  dropMiddle: count.optional(),
  dropLast: count.optional(),
  dropLowest: count.optional(),
  /** Share of single weights that becomes zero. */
  l1: ratio.optional(),
  l1Group: count.optional(),
  seed: z.int().min(0).optional(),
});

export type PruneSpec = z.output<typeof pruneSchema>;

/** The same as @vlmopt/pruning takes it. */
export function pruningRecipe(spec: PruneSpec): PruningRecipe {
  const { glu, method, divisor, heads, headsMode, kvGroups, l1, l1Group, seed } = spec;
  const depth = depthOf(spec);
  return {
    ...(glu === undefined
      ? {}
      : { neurons: { ratio: glu, ...(method ? { method } : {}), ...(divisor ? { divisor } : {}) } }),
    ...(heads === undefined
      ? {}
      : {
          heads: {
            ratio: heads,
            mode: headsMode ?? "per-layer",
            unit: kvGroups ? "groups" : "within-groups",
          },
        }),
    ...(depth ? { depth } : {}),
    ...(l1 === undefined ? {} : { sparsity: { ratio: l1, groupSize: l1Group ?? 1 } }),
    ...(seed === undefined ? {} : { seed }),
  };
}

function depthOf({ dropLayers, dropMiddle, dropLast, dropLowest }: PruneSpec): PruningRecipe["depth"] {
  if (dropLayers !== undefined) return { drop: dropLayers };
  if (dropLast !== undefined) return { last: dropLast };
  if (dropMiddle !== undefined) return { middle: dropMiddle };
  return dropLowest === undefined ? undefined : { lowest: dropLowest };
}

/** How reports name it. Layers count as a number, since a model's depth is not known before it is opened. */
export function pruningLabels(spec: PruneSpec | undefined): PruningLabel[] {
  if (spec === undefined) return [];
  const { glu, heads, l1, dropLayers, dropLast, dropMiddle, dropLowest } = spec;
  const layers = dropLayers?.length ?? dropLast ?? dropMiddle ?? dropLowest;
  const of = (kind: PruningLabel["kind"], value: number | undefined): PruningLabel[] =>
    value === undefined ? [] : [{ kind, ratio: value }];
  return [...of("glu", glu), ...of("heads", heads), ...of("layers", layers), ...of("l1", l1)];
}
