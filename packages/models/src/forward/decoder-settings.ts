import type { ConfigReader } from "../config-reader.ts";
import { type DecoderTraits, traitsByType } from "../decoder-traits.ts";
import { ConfigError, type LanguageModel } from "../description.ts";
import { layerWindows } from "../layer-windows.ts";
import { activationOf } from "./activation.ts";
import type { Activation } from "./ops.ts";

/** What sets decoders apart, beyond the weights that they have. */
export interface DecoderSettings {
  readonly activation: Activation;
  readonly eps: number;
  /** Gemma stores w − 1 for the weights of its norms. */
  readonly normOffset: 0 | 1;
  /** Embeddings are multiplied by it. */
  readonly embeddingScale: number;
  readonly attentionScale: number | undefined;
  readonly attentionSoftcap: number | undefined;
  readonly logitSoftcap: number | undefined;
  /** Of each layer: how many tokens a token sees; undefined where it sees all. */
  readonly windows: readonly (number | undefined)[];
  /** Queries and keys are normed, head by head, before they are rotated. */
  readonly qkNorm: boolean;
  /** OPT: the norms come before attention and MLP. */
  readonly normFirst: boolean;
  /** OPT: a norm after the last layer. */
  readonly finalNorm: boolean;
  /** OPT: norms have weights and biases. */
  readonly normWeights: boolean;
  /** OPT: embeddings are of another size than the layers, with a matrix before the first and one after the last. */
  readonly projects: boolean;
}

/** @throws {ConfigError} where the configuration asks for something that is not known */
export function decoderSettings(text: ConfigReader, model: LanguageModel): DecoderSettings {
  const traits = traitsByType[model.modelType];
  return traits === undefined ? optSettings(text, model) : gatedSettings(text, model, traits);
}

function gatedSettings(text: ConfigReader, model: LanguageModel, traits: DecoderTraits): DecoderSettings {
  const { modelType, hiddenSize, layers } = model;
  const isGemma = modelType.startsWith("gemma");
  const isGemma2 = modelType === "gemma2";
  const softcap = (key: string, fallback: number) =>
    isGemma2 ? text.numberOrNull(key, fallback) : undefined;
  return {
    activation: activationOfGated(text, modelType),
    eps: text.number("rms_norm_eps", traits.eps),
    normOffset: isGemma ? 1 : 0,
    embeddingScale: isGemma ? Math.sqrt(hiddenSize) : 1,
    attentionScale: isGemma2 ? text.number("query_pre_attn_scalar", 256) ** -0.5 : undefined,
    attentionSoftcap: softcap("attn_logit_softcapping", 50),
    logitSoftcap: softcap("final_logit_softcapping", 30),
    windows: layerWindows(text, traits.windows, layers.length),
    qkNorm: traits.qkNorm === true,
    normFirst: true,
    finalNorm: true,
    normWeights: true,
    projects: false,
  };
}

function activationOfGated(text: ConfigReader, modelType: string): Activation {
  switch (modelType) {
    case "gemma":
      // What the official releases call gelu is the approximation that they were trained with.
      return text.text("hidden_act", "gelu") === "gelu"
        ? "gelu-tanh"
        : activationOf(text, "hidden_act", "gelu_pytorch_tanh");
    case "gemma2":
      return activationOf(text, "hidden_activation", "gelu_pytorch_tanh");
    default:
      return activationOf(text, "hidden_act", "silu");
  }
}

function optSettings(text: ConfigReader, { hiddenSize, layers }: LanguageModel): DecoderSettings {
  const normFirst = text.flag("do_layer_norm_before", true);
  return {
    activation: activationOf(text, "activation_function", "relu"),
    eps: 1e-5,
    normOffset: 0,
    embeddingScale: 1,
    attentionScale: undefined,
    attentionSoftcap: undefined,
    logitSoftcap: undefined,
    windows: layers.map(() => undefined),
    qkNorm: false,
    normFirst,
    finalNorm: normFirst && !text.flag("_remove_final_layer_norm", false),
    normWeights: text.flag("layer_norm_elementwise_affine", true),
    projects: (text.sizeOrNull("word_embed_proj_dim", hiddenSize) ?? hiddenSize) !== hiddenSize,
  };
}

/** Tokens that the text model's positions were made for. */
export function maxPositionsOf(text: ConfigReader, modelType: string): number {
  return text.size("max_position_embeddings", traitsByType[modelType]?.maxPositions ?? 2048);
}

/**
 * Gemma may be told to see text from both sides. PaliGemma always does, unless told otherwise.
 * @throws {ConfigError} where it is told to be what is not known here
 */
export function assertCausality(text: ConfigReader, modelType: string, seesPromptWhole: boolean): void {
  if (!modelType.startsWith("gemma")) return;
  const told = text.flagOrNull("use_bidirectional_attention", seesPromptWhole) ?? seesPromptWhole;
  if (told === seesPromptWhole) return;
  throw new ConfigError(
    `${[...text.path, "use_bidirectional_attention"].join(".")} of config.json is ${told}; of this model only ${seesPromptWhole} is known`,
  );
}
