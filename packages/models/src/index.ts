export { describeModel, expectedTensors, modelTypes } from "./describe-model.ts";
export {
  type Attention,
  type ComponentName,
  ConfigError,
  type FusedAttention,
  type GatedMlp,
  type LanguageModel,
  type Layer,
  type Linear,
  type Mlp,
  type ModelDescription,
  ModelMismatchError,
  type PlainMlp,
  type Role,
  type TensorSpecs,
  type VisionTower,
  type Weight,
} from "./description.ts";
export { type ConfigEdit, editConfig, type LanguageModelSizes, resizeConfig } from "./resize-config.ts";
export { flopsPerToken, kvCacheBytesPerToken, parameterCounts } from "./sizes.ts";
