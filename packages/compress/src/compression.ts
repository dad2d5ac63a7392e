import {
  defaultScorers,
  type PruningTargets,
  scorerNamed,
  scorerNames,
  type UnitKind,
  type UnitScorer,
} from "@vlmopt/pruning";
import { z } from "zod";

const ratio = z.number().gt(0, "is a share between 0 and 1").lt(1, "is a share between 0 and 1");
const count = z.int().min(1);
const scorer = (units: UnitKind) =>
  z.enum(scorerNames(units) as [string, ...string[]], {
    error: ({ input }) =>
      `${String(input)} is no score of ${units}; there are ${scorerNames(units).join(", ")}`,
  });

const neuronKeys = ["glu", "keepNeurons", "expansion"] as const;
const depthKeys = ["layers", "dropLayers", "dropLast", "dropMiddle", "dropLowest"] as const;

/**
 * What is cut from a model and how, in words: the options of `vlmopt prune` and `vlmopt compress`, what recipes say under `prune`, and
 * what code passes.
 */
export const compressionSchema = z
  .strictObject({
    /** Share of the MLP's neurons that goes. */
    glu: ratio.optional(),
    /** Neurons that stay. */
    keepNeurons: count.optional(),
    /** Neurons that stay, as a multiple of the hidden size. */
    expansion: z.number().positive().optional(),
    /** The number of neurons that stay is a multiple of this. */
    divisor: count.optional(),
    /** Score of neurons. */
    method: scorer("neurons").optional(),
    /** One width for all layers, which stock loaders read, or widths by what each layer's neurons are worth. */
    allocate: z.enum(["uniform", "global"]).optional(),
    /** Share of the attention heads that goes. */
    heads: ratio.optional(),
    headMethod: scorer("heads").optional(),
    headsMode: z.enum(["per-layer", "seed"]).optional(),
    kvGroups: z.boolean().optional(),
    /** So many layers that follow each other go: those that change the residual stream least. */
    layers: count.optional(),
    dropLayers: z.array(z.int().min(0)).min(1).optional(),
    dropMiddle: count.optional(),
    dropLast: count.optional(),
    /** So many layers of least weight go. */
    dropLowest: count.optional(),
    /** Share of single weights that becomes zero. */
    l1: ratio.optional(),
    l1Group: count.optional(),
    /** Choose by weights alone: no data, no repair. */
    byWeights: z.boolean().optional(),
    /** Repair what stays by least squares (default: true). */
    refit: z.boolean().optional(),
    seed: z.int().min(0).optional(),
  })
  .superRefine((spec, context) => {
    for (const problem of contradictions(spec)) context.addIssue({ code: "custom", message: problem });
  });

export type Compression = z.output<typeof compressionSchema>;

type Spec = Readonly<Partial<Record<string, unknown>>>;

/** Options that exclude each other, a sentence each. `nameOf` gives an option the name that its user knows. */
export function contradictions(spec: Spec, nameOf: (key: string) => string = (key) => key): string[] {
  const given = (keys: readonly string[]) => keys.filter((key) => spec[key] !== undefined);
  const problems: string[] = [];
  for (const [keys, what] of [
    [neuronKeys, "how many neurons stay"],
    [depthKeys, "which layers go"],
  ] as const) {
    const both = given(keys).map(nameOf);
    if (both.length > 1) problems.push(`${both.join(" and ")} both say ${what}: give one of them`);
  }
  const needing = (keys: readonly string[], needed: readonly string[]) => {
    for (const key of given(keys)) {
      if (given(needed).length === 0)
        problems.push(`${nameOf(key)} says nothing without ${needed.map(nameOf).join(" or ")}`);
    }
  };
  needing(["method", "divisor"], neuronKeys);
  needing(["headMethod", "headsMode", "kvGroups"], ["heads"]);
  needing(["l1Group"], ["l1"]);
  if (spec.allocate === "global") needing(["allocate"], neuronKeys);
  if (spec.headsMode === "seed" && spec.byWeights !== true)
    problems.push(
      `${nameOf("headsMode")} seed averages the scores of all layers before the first is cut, which takes ${nameOf("byWeights")}`,
    );
  if (spec.byWeights === true) {
    if (spec.layers !== undefined)
      problems.push(
        `${nameOf("layers")} needs data to tell which layers change least: take ${nameOf("dropMiddle")} or ${nameOf("dropLowest")} with ${nameOf("byWeights")}`,
      );
    if (spec.allocate === "global")
      problems.push(`${nameOf("allocate")} global needs data, which ${nameOf("byWeights")} does without`);
    if (spec.refit === true)
      problems.push(`${nameOf("refit")} needs data, which ${nameOf("byWeights")} does without`);
    for (const [key, units] of [
      ["method", "neurons"],
      ["headMethod", "heads"],
    ] as const) {
      const name = spec[key];
      if (typeof name === "string" && scorerNamed(name, units).needs === "activations")
        problems.push(`the score ${name} needs data, which ${nameOf("byWeights")} does without`);
    }
  }
  return problems;
}

/** Whether anything goes for which it matters what a model computes: zeroing single weights looks at them alone. */
export function needsData(spec: Compression): boolean {
  return (
    spec.byWeights !== true &&
    [...neuronKeys, ...depthKeys, "heads"].some(
      (key) => key in spec && spec[key as keyof Compression] !== undefined,
    )
  );
}

/** The same as @vlmopt/pruning takes it. Layers that are chosen by data are named by then. */
export function pruningTargets(spec: Compression, droppedLayers?: readonly number[]): PruningTargets {
  const { glu, keepNeurons, expansion, divisor, heads, headsMode, kvGroups, l1, l1Group } = spec;
  const target =
    glu !== undefined
      ? { ratio: glu }
      : keepNeurons !== undefined
        ? { keep: keepNeurons }
        : expansion !== undefined
          ? { expansion }
          : undefined;
  return {
    neurons: target && { ...target, divisor, ...(spec.allocate === "global" ? { uneven: true } : {}) },
    heads:
      heads === undefined
        ? undefined
        : { ratio: heads, mode: headsMode, unit: kvGroups ? "groups" : "within-groups" },
    depth: depthOf(spec, droppedLayers),
    sparsity: l1 === undefined ? undefined : { ratio: l1, groupSize: l1Group },
  };
}

function depthOf(
  { layers, dropLayers, dropLast, dropMiddle, dropLowest }: Compression,
  chosen: readonly number[] | undefined,
): PruningTargets["depth"] {
  if (chosen !== undefined && chosen.length > 0) return { drop: chosen };
  if (dropLayers !== undefined) return { drop: dropLayers };
  if (dropLast !== undefined) return { last: dropLast };
  if (dropMiddle !== undefined) return { middle: dropMiddle };
  // As many as will go, whichever they are: enough to know sizes.
  if (layers !== undefined) return { last: layers };
  return dropLowest === undefined ? undefined : { lowest: dropLowest };
}

/**
 * Where many neurons go the greedy brain surgeon chooses better (70 % of fixtures/tiny-llava's: exact match 85.0 instead of 69.7); where few go it
 * does not (an eighth of SmolLM2-135M's: perplexity 27.60 instead of 27.45). Its time grows with the cube of their number.
 */
const surgeon = { mostNeurons: 2048, leastGone: 0.4 } as const;

/**
 * The scores that a compression takes.
 * @param neurons of a layer, before and after
 */
export function scorersOf(
  spec: Compression,
  neurons: { readonly before: number; readonly after: number } = { before: 0, after: 0 },
): Record<UnitKind, UnitScorer> {
  const defaults = defaultScorers[spec.byWeights === true ? "weights" : "activations"];
  const manyGo = neurons.before - neurons.after >= surgeon.leastGone * neurons.before && neurons.before > 0;
  const bySurgeon =
    manyGo && neurons.before <= surgeon.mostNeurons && spec.byWeights !== true && spec.allocate !== "global";
  return {
    neurons: scorerNamed(spec.method ?? (bySurgeon ? "obs" : defaults.neurons), "neurons"),
    heads: scorerNamed(spec.headMethod ?? defaults.heads, "heads"),
  };
}
