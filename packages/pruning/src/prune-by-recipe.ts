import type { Checkpoint } from "@vlmopt/tensor-io";
import type { NeuronTarget } from "./plan/choose.ts";
import type { HeadRequest } from "./plan/cut-heads.ts";
import type { DepthRequest } from "./plan/drop-layers.ts";
import { type PruningModel, type PruningRequest, planPruning } from "./plan/plan-pruning.ts";
import type { PruningPlan } from "./plan/pruning-plan.ts";
import { neuronLinears, type PrunableLayer } from "./prunable.ts";
import { type NeuronMethod, type ScoreOptions, type Scores, scoreLayers } from "./scores/scores.ts";

/** A pruning in words, as a command line or a recipe file gives it: what `planPruning` takes, but for the scores. */
export interface PruningRecipe {
  readonly neurons?: NeuronTarget & { readonly method?: NeuronMethod; readonly divisor?: number };
  readonly heads?: Omit<HeadRequest, "scores"> & { readonly method?: "norm" | "random" };
  readonly depth?: Exclude<DepthRequest, { readonly scores: unknown }> | { readonly lowest: number };
  readonly sparsity?: { readonly ratio: number; readonly groupSize?: number };
  /** Of random selection. */
  readonly seed?: number;
}

/**
 * Scores what a recipe needs, from the weights alone, and plans it. What the model cannot be is refused before any weight is read.
 * @throws {PruningError} and {ConfigError} as `planPruning` does
 */
export async function planByRecipe(
  checkpoint: Checkpoint,
  model: PruningModel,
  recipe: PruningRecipe,
  options: ScoreOptions = {},
): Promise<PruningPlan> {
  planPruning(model, requestOf(recipe, blankScores(model)));
  const { neurons, heads, depth, seed = 0 } = recipe;
  const scores = await scoreLayers(
    checkpoint,
    model.layers,
    {
      ...(neurons ? { neurons: neurons.method ?? "maw" } : {}),
      ...(heads ? { heads: heads.method ?? "norm" } : {}),
      ...(depth && "lowest" in depth ? { layers: true } : {}),
    },
    { ...options, seed },
  );
  return planPruning(model, requestOf(recipe, scores));
}

function requestOf(recipe: PruningRecipe, scores: Scores): PruningRequest {
  const { neurons, heads, depth, sparsity } = recipe;
  return {
    ...(neurons ? { neurons: { ...neurons, scores: scores.neurons ?? [] } } : {}),
    ...(heads ? { heads: { ...heads, scores: scores.heads ?? [] } } : {}),
    ...(depth ? { depth: "lowest" in depth ? { ...depth, scores: scores.layers ?? [] } : depth } : {}),
    ...(sparsity ? { sparsity } : {}),
    made: madeBy(recipe),
  };
}

/** Scores that say nothing, to see whether a plan could be made. */
function blankScores({ layers, tensors }: PruningModel): Scores {
  const neuronCount = ({ mlp }: PrunableLayer) =>
    tensors.get((mlp && neuronLinears(mlp).rows[0]?.weight) ?? "")?.shape[0] ?? 0;
  return {
    neurons: layers.map((layer) => new Float64Array(neuronCount(layer))),
    heads: layers.map(({ attention }) => new Float64Array(attention?.numHeads ?? 0)),
    layers: new Float64Array(layers.length),
  };
}

function madeBy({ neurons, heads, depth, sparsity, seed }: PruningRecipe): Record<string, string | number> {
  const random = neurons?.method === "random" || heads?.method === "random";
  return {
    ...(neurons ? flat("neurons", { method: "maw", divisor: 128, ...neurons }) : {}),
    ...(heads ? flat("heads", { method: "norm", mode: "per-layer", ...heads }) : {}),
    ...(depth ? flat("depth", depth) : {}),
    ...(sparsity ? flat("l1", sparsity) : {}),
    ...(random ? { seed: seed ?? 0 } : {}),
  };
}

/** `{ ratio: 0.3 }` of `heads` as `heads.ratio: 0.3`. */
function flat(name: string, values: object): Record<string, string | number> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      `${name}.${key}`,
      typeof value === "number" ? value : String(value),
    ]),
  );
}
