export { type AdamWSettings, type AdamWState, adamWState, adamWStep, normOf } from "./adamw.ts";
export {
  type RecoverOptions,
  recoverCheckpoint,
  recoveryFolder,
  type Teaching,
} from "./recover-checkpoint.ts";
export {
  chosenWay,
  type Recovery,
  type RecoverySizes,
  type RecoveryWay,
  recoveryBytes,
  recoveryRules,
  recoveryWays,
} from "./recovery.ts";
export type { RecoveryRecord } from "./recovery-card.ts";
export { RecoveryError } from "./recovery-error.ts";
export {
  type StepReport,
  type Training,
  type TrainingState,
  type TrainingStore,
  type TrainOptions,
  train,
} from "./train.ts";
export { type TrainingPlan, type TrainingSettings, trainingPlan } from "./training-settings.ts";
