export { BenchError } from "./bench-error.ts";
export { type CalibrationSet, openCalibrationSet } from "./calibration/calibration-set.ts";
export { type CalibrationOptions, modelCalibration } from "./calibration/model-calibration.ts";
export { modelTeaching, type TeachingOptions, type TrainingExecutor } from "./calibration/model-teaching.ts";
export {
  compareRuns,
  differingItems,
  type ItemDifference,
  type RunComparison,
} from "./compare/compare-runs.ts";
export { gpuList } from "./meters/gpu-meter.ts";
export type { CalibrateSpec } from "./recipe/data-spec.ts";
export { parseRecipe, type Recipe, readRecipe, recipeOf, type VariantSpec } from "./recipe/read-recipe.ts";
export type { VisualTokensSpec } from "./recipe/recipe.ts";
export { withVisualTokens } from "./recipe/with-visual-tokens.ts";
export { type Run, readRun } from "./records/run-folder.ts";
export type * from "./records/run-summary.ts";
export { remarks } from "./report/remarks.ts";
export { resultTable, tableNotes } from "./report/result-table.ts";
export { type ReportFiles, writeReport } from "./report/write-report.ts";
export {
  type ClearOptions,
  clearMade,
  listMade,
  type MadeVariant,
  madeFolder,
  madeLimit,
} from "./run/made-cache.ts";
export type { RunOptions } from "./run/run-options.ts";
export type { RunProgress, VariantEnd } from "./run/run-progress.ts";
export { runRecipe, runShard } from "./run/run-recipe.ts";
export {
  type FailedShape,
  type MeasureShapesOptions,
  measureShapes,
  type ShapeFigures,
  type ShapeProgress,
  type ShapeSummary,
} from "./shapes/measure-shapes.ts";
export { assertRandomScheme, randomCheckpoint } from "./shapes/random-checkpoint.ts";
export { readModelConfig } from "./shapes/read-config.ts";
export { shapeTable } from "./shapes/shape-table.ts";
export { type MergedRun, mergeRuns } from "./shards/merge-runs.ts";
export { type FailureKind, type RunStatus, runStatus, type ShardStatus } from "./shards/run-status.ts";
export { parseShard, type Shard, shardText } from "./shards/shard.ts";
export { endpointTarget } from "./targets/endpoint-target.ts";
export { engineTarget } from "./targets/engine-target.ts";
export { type JudgeCost, type JudgeSpec, judgeModel, parseJudge } from "./targets/judge-model.ts";
export type { Target, TargetAnswer, TargetRequest } from "./targets/target.ts";
export { findTask } from "./tasks/find-task.ts";
