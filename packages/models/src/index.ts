export type {
  Activations,
  Block,
  BlockNorm,
  CalibrationWalk,
  FinalNormSums,
  InputStatistics,
  LinearAlgebra,
  Observation,
  ObserveRequest,
  ReplacedTensor,
  Replacements,
  ResidualTarget,
} from "./calibration.ts";
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
export { type ClipForward, clipForward } from "./forward/clip.ts";
export type { BlockForward, BlockOptions, DecoderParts } from "./forward/decoder-parts.ts";
export type { DecoderSegment, RankingAttention } from "./forward/decoder-segments.ts";
export { type Gpt2Forward, gpt2Forward } from "./forward/gpt2.ts";
export { type Evidence, evidenceKinds } from "./forward/image-encoders/evidence.ts";
export type {
  ImageEncoder,
  PictureTokens,
  ProcessedImage,
  TokenGrid,
  TokenLayout,
} from "./forward/image-encoders/image-encoder.ts";
export { squareLayout } from "./forward/image-encoders/image-encoder.ts";
export { bestResolution } from "./forward/image-encoders/llava-next-tiles.ts";
export {
  type DecoderStep,
  type ModelForward,
  modelForward,
} from "./forward/model-forward.ts";
export type {
  Activation,
  AttentionShape,
  CachedAttentionShape,
  CacheSpec,
  ElementType,
  ForwardPass,
  HostTensor,
  InputSpec,
  Ops,
  RelativePositions,
  Rotary,
} from "./forward/ops.ts";
export { chosenRows, mixedRows } from "./forward/picture-rows.ts";
export { type TextEncoder, textEncoder, textEncoderTypes } from "./forward/text-encoder.ts";
export type { Positions } from "./forward/token-positions.ts";
export { assertRelated } from "./related-models.ts";
export {
  type ConfigEdit,
  editConfig,
  editedConfig,
  type LanguageModelSizes,
  resizeConfig,
} from "./resize-config.ts";
export { flopsPerToken, kvCacheBytesPerToken, parameterCounts } from "./sizes.ts";
export type { LayerLessons, Lesson, Parameters } from "./training.ts";
