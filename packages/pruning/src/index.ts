export { type ApplyOptions, applyPruning } from "./apply-pruning.ts";
export { highest } from "./plan/choose.ts";
export {
  chooseHeads,
  chooseUnits,
  type HeadChoice,
  planOf,
  type UnitChoice,
  type UnitScores,
} from "./plan/choose-units.ts";
export { chooseLayers, type DepthTargets } from "./plan/drop-layers.ts";
export type { HeadSizes, HeadTargets } from "./plan/head-sizes.ts";
export { fromRanges, type IndexRanges, toRanges } from "./plan/index-ranges.ts";
export {
  defaultDivisor,
  type NeuronSizes,
  type NeuronTarget,
  type NeuronTargets,
} from "./plan/neuron-sizes.ts";
export { planPruning } from "./plan/plan-pruning.ts";
export {
  type PruningModel,
  type PruningSizes,
  type PruningTargets,
  planSizes,
} from "./plan/plan-sizes.ts";
export type { Cut, ModelSize, PruningPlan, Sparsity } from "./plan/pruning-plan.ts";
export { pruningTransform } from "./plan/pruning-transform.ts";
export { madeBy, planByWeights, type WeightPruning } from "./plan-by-weights.ts";
export {
  neuronCount,
  neuronLinears,
  type PrunableAttention,
  type PrunableLayer,
  type PrunableLinear,
  type PrunableMlp,
  PruningError,
} from "./prunable.ts";
export { type BrainSurgeon, type BrainSurgeonRequest, brainSurgeon } from "./refit/brain-surgeon.ts";
export { type LinearAlgebraOptions, linearAlgebra } from "./refit/linear-algebra.ts";
export { biasCompensation, type Refit, type RefitRequest, refit } from "./refit/refit.ts";
export type { RoundedRows, RoundingGrid } from "./refit/round-rows.ts";
export { type Rounding, type RoundingRequest, roundingUnder } from "./refit/rounding.ts";
export {
  type ScoreOptions,
  type ScoreRequest,
  type Scores,
  scoreHeads,
  scoreLayers,
  scoreNeurons,
} from "./scores/score-layers.ts";
export type {
  ActivationFigures,
  ActivationScorer,
  UnitKind,
  UnitScorer,
  WeightFigures,
  WeightScorer,
} from "./scores/unit-scorer.ts";
export { defaultScorers, scorerNamed, scorerNames, unitScorers } from "./scores/unit-scorers.ts";
