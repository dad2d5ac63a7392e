import { chooseUnits, type UnitScores } from "./choose-units.ts";
import { type PruningModel, type PruningTargets, planSizes } from "./plan-sizes.ts";
import type { PruningPlan } from "./pruning-plan.ts";

/** Both steps of planning at once: sizes, then units by scores that are at hand. See `planSizes` and `chooseUnits` for errors. */
export function planPruning(
  model: PruningModel,
  request: PruningTargets,
  scores: UnitScores = {},
): PruningPlan {
  return chooseUnits(model, planSizes(model, request), scores);
}
