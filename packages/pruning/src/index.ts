export { type ApplyOptions, applyPruning } from "./apply-pruning.ts";
export { pruningCard } from "./model-card.ts";
export type { NeuronTarget } from "./plan/choose.ts";
export type { HeadRequest } from "./plan/cut-heads.ts";
export type { NeuronRequest } from "./plan/cut-neurons.ts";
export type { DepthRequest } from "./plan/drop-layers.ts";
export { fromRanges, type IndexRanges, toRanges } from "./plan/index-ranges.ts";
export { type PruningModel, type PruningRequest, planPruning } from "./plan/plan-pruning.ts";
export type { Cut, ModelSize, PruningPlan, Sparsity } from "./plan/pruning-plan.ts";
export { pruningTransform } from "./plan/pruning-transform.ts";
export {
  type PrunableAttention,
  type PrunableLayer,
  type PrunableLinear,
  type PrunableMlp,
  PruningError,
} from "./prunable.ts";
export { type PruningRecipe, planByRecipe } from "./prune-by-recipe.ts";
export { type BrainSurgeon, type BrainSurgeonRequest, brainSurgeon } from "./refit/brain-surgeon.ts";
export { type LinearAlgebraOptions, linearAlgebra } from "./refit/linear-algebra.ts";
export { biasCompensation, type Refit, type RefitRequest, refit } from "./refit/refit.ts";
export {
  type NeuronMethod,
  type ScoreOptions,
  type ScoreRequest,
  type Scores,
  scoreHeads,
  scoreLayers,
  scoreNeurons,
} from "./scores/scores.ts";
