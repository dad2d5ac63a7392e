import type { TensorSpec } from "@vlmopt/tensor-io";

export type ComponentName = "visionTower" | "projector" | "qFormer" | "languageModel";

/** What a weight is. Biases have the role of the linear they belong to. */
export type Role =
  | "embedding"
  | "positionEmbedding"
  | "patchEmbedding"
  | "lmHead"
  | "norm"
  | "qProj"
  | "kProj"
  | "vProj"
  | "qkvProj"
  | "oProj"
  | "gateProj"
  | "upProj"
  | "downProj"
  | "fc1"
  | "fc2"
  | "projector"
  | "other";

/** A tensor that a configuration promises. */
export interface Weight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly role: Role;
  readonly component: ComponentName;
  /** Layer of its component, where it belongs to one. */
  readonly layer: number | undefined;
}

/** y = x·Wᵀ + b, with W `[outFeatures, inFeatures]`. */
export interface Linear {
  readonly role: Role;
  /** Name of the tensor. */
  readonly weight: string;
  readonly bias: string | undefined;
  readonly inFeatures: number;
  readonly outFeatures: number;
}

/** down(act(gate(x)) ⊙ up(x)): neuron i is row i of gate and up and column i of down. */
export interface GatedMlp {
  readonly kind: "gated";
  readonly gateProj: Linear;
  readonly upProj: Linear;
  readonly downProj: Linear;
}

/** fc2(act(fc1(x))): neuron i is row i of fc1, its bias with it, and column i of fc2. */
export interface PlainMlp {
  readonly kind: "plain";
  readonly fc1: Linear;
  readonly fc2: Linear;
}

export type Mlp = GatedMlp | PlainMlp;

/** Query head h is rows `[h·headDim, (h+1)·headDim)` of q and the same columns of o; `numHeads / numKvHeads` query heads share a KV head. */
export interface Attention {
  readonly kind: "separate";
  readonly qProj: Linear;
  readonly kProj: Linear;
  readonly vProj: Linear;
  readonly oProj: Linear;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

/** q, k and v in one matrix, as some vision towers have them. */
export interface FusedAttention {
  readonly kind: "fused";
  readonly qkvProj: Linear;
  readonly oProj: Linear;
  readonly numHeads: number;
  readonly headDim: number;
}

export interface Layer<A extends Attention | FusedAttention = Attention | FusedAttention> {
  readonly index: number;
  readonly attention: A;
  readonly mlp: Mlp;
  /** Names of all tensors of the layer, norms too. */
  readonly weights: readonly string[];
}

export interface VisionTower {
  readonly hiddenSize: number;
  readonly layers: readonly Layer[];
}

export interface LanguageModel {
  /** Of the text model: `llama`, `qwen2_vl_text` … */
  readonly modelType: string;
  /** Keys that lead from config.json to the text model's part; none where that is config.json itself. */
  readonly configPath: readonly string[];
  readonly hiddenSize: number;
  readonly vocabSize: number;
  readonly layers: readonly Layer<Attention>[];
  /** Name of the token embedding `[vocabSize, hiddenSize]`. */
  readonly embedTokens: string;
  /** Undefined where the embedding serves as output layer too (tied) and the file does not repeat it. */
  readonly lmHead: Linear | undefined;
}

/** A checkpoint seen as a model. Plain data: it survives JSON. */
export interface ModelDescription {
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly languageModel: LanguageModel;
  readonly visionTower: VisionTower | undefined;
  /** What the names of a component's tensors begin with, in this file: `language_model.model.`. */
  readonly prefixes: Readonly<Partial<Record<ComponentName, string>>>;
  /** Every tensor that the configuration promises, and that is there. */
  readonly weights: readonly Weight[];
  /** Tensors of the file that the configuration says nothing of: buffers such as `rotary_emb.inv_freq`. */
  readonly unknown: readonly string[];
}

/** The configuration cannot be understood: not an object, a field missing or of the wrong kind, a model type unknown. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** The configuration promises other tensors than the checkpoint holds. */
export class ModelMismatchError extends Error {
  override readonly name = "ModelMismatchError";
  readonly differences: readonly string[];

  constructor(modelType: string, differences: readonly string[]) {
    const shown = differences.slice(0, 5);
    const more = differences.length > shown.length ? `; and ${differences.length - shown.length} more` : "";
    super(`the weights are not those of the ${modelType} in config.json: ${shown.join("; ")}${more}`);
    this.differences = differences;
  }
}

export type TensorSpecs = ReadonlyMap<string, TensorSpec>;
