import type { ConfigReader } from "../config-reader.ts";
import type { LanguageModel } from "../description.ts";
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
  readonly rotary: boolean;
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

export function decoderSettings(
  text: ConfigReader,
  { modelType, hiddenSize, layers }: LanguageModel,
): DecoderSettings {
  const isGemma = modelType.startsWith("gemma");
  const isOpt = modelType === "opt";
  const queryScalar = modelType === "gemma2" ? text.number("query_pre_attn_scalar", 256) : undefined;
  const softcap = (key: string, fallback: number) =>
    modelType === "gemma2" ? text.number(key, fallback) : undefined;
  const normFirst = text.flag("do_layer_norm_before", true);
  return {
    activation: isOpt
      ? activationOf(text, "activation_function", "relu")
      : isGemma
        ? activationOf(
            text,
            text.has("hidden_activation") ? "hidden_activation" : "hidden_act",
            "gelu_pytorch_tanh",
          )
        : activationOf(text, "hidden_act", "silu"),
    eps: isOpt ? 1e-5 : text.number("rms_norm_eps", 1e-6),
    normOffset: isGemma ? 1 : 0,
    embeddingScale: isGemma ? Math.sqrt(hiddenSize) : 1,
    attentionScale: queryScalar === undefined ? undefined : queryScalar ** -0.5,
    attentionSoftcap: softcap("attn_logit_softcapping", 50),
    logitSoftcap: softcap("final_logit_softcapping", 30),
    windows: layers.map((_, index) => windowOf(text, modelType, index)),
    rotary: !isOpt,
    qkNorm: modelType.startsWith("qwen3"),
    normFirst,
    finalNorm: normFirst && !text.flag("_remove_final_layer_norm", false),
    normWeights: text.flag("layer_norm_elementwise_affine", true),
    projects: text.size("word_embed_proj_dim", hiddenSize) !== hiddenSize,
  };
}

function windowOf(text: ConfigReader, modelType: string, layer: number): number | undefined {
  const sliding = modelType === "mistral" || modelType === "gemma2" || text.flag("use_sliding_window", false);
  if (!sliding || !text.has("sliding_window")) return undefined;
  const types = text.texts("layer_types");
  const slides =
    types.length > 0 ? types[layer] === "sliding_attention" : modelType !== "gemma2" || layer % 2 === 0;
  return slides ? text.size("sliding_window") : undefined;
}
