import type { Checkpoint } from "@vlmopt/tensor-io";
import { chooseUnits } from "./plan/choose-units.ts";
import { type PruningModel, type PruningTargets, planSizes } from "./plan/plan-sizes.ts";
import type { PruningPlan } from "./plan/pruning-plan.ts";
import { type ScoreOptions, scoreLayers } from "./scores/score-layers.ts";
import type { UnitScorer } from "./scores/unit-scorer.ts";
import { defaultScorers } from "./scores/unit-scorers.ts";

/** A pruning by weights alone: what should go, and by which scores. */
export interface WeightPruning extends Omit<PruningTargets, "made"> {
  readonly scores?: {
    /** Default: `maw`. */
    readonly neurons?: string | UnitScorer | undefined;
    /** Default: `norm`. */
    readonly heads?: string | UnitScorer | undefined;
  };
  /** Of random choices; default: 0. */
  readonly seed?: number | undefined;
}

/**
 * Scores what a pruning needs, from the weights alone, and plans it. What the model cannot be is refused before any weight is read.
 * @throws {PruningError} and {ConfigError} as `planSizes` and `chooseUnits` do
 */
export async function planByWeights(
  checkpoint: Checkpoint,
  model: PruningModel,
  { scores: scorers = {}, seed = 0, ...targets }: WeightPruning,
  options: Omit<ScoreOptions, "seed"> = {},
): Promise<PruningPlan> {
  const neurons = scorers.neurons ?? defaultScorers.weights.neurons;
  const heads = scorers.heads ?? defaultScorers.weights.heads;
  const made = madeBy(targets, { neurons, heads }, seed);
  const sizes = planSizes(model, { ...targets, made });
  const { depth } = targets;
  const scores = await scoreLayers(
    checkpoint,
    model.layers,
    {
      neurons: targets.neurons && neurons,
      heads: targets.heads && heads,
      layers: depth !== undefined && "lowest" in depth,
    },
    { ...options, seed },
  );
  return chooseUnits(model, sizes, scores);
}

/** How it was made, flat: `heads.ratio: 0.3`. */
export function madeBy(
  { neurons, heads, depth, sparsity }: Omit<PruningTargets, "made">,
  scorers: { readonly neurons: string | UnitScorer; readonly heads: string | UnitScorer },
  seed: number,
): Record<string, string | number> {
  const name = (scorer: string | UnitScorer) => (typeof scorer === "string" ? scorer : scorer.name);
  const names = [neurons && name(scorers.neurons), heads && name(scorers.heads)];
  return {
    ...flat("neurons", neurons && { ...neurons, score: names[0] }),
    ...flat("heads", heads && { mode: "per-layer", ...heads, score: names[1] }),
    ...flat("depth", depth),
    ...flat("l1", sparsity),
    ...(names.includes("random") ? { seed } : {}),
  };
}

function flat(name: string, values: object | undefined): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(values ?? {})
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [`${name}.${key}`, typeof value === "number" ? value : String(value)]),
  );
}
