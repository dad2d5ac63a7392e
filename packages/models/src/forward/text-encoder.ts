import { type ConfigReader, readConfig } from "../config-reader.ts";
import { ConfigError, type TensorSpecs } from "../description.ts";
import { assertNoFurtherLayers } from "../layer-count.ts";
import { activationOf } from "./activation.ts";
import { debertaEncoder } from "./deberta.ts";
import { type Activation, type ForwardPass, forwardPass, type HostTensor, type Ops } from "./ops.ts";
import { assertLayer, paddedTexts } from "./padded-texts.ts";

/** A model that turns texts into vectors, one for each token. */
export interface TextEncoder {
  readonly modelType: string;
  readonly layers: number;
  readonly hiddenSize: number;
  /** Tokens that a text has at most. */
  readonly maxTokens: number;
  /** Hidden states after so many of its layers, `hidden` `[batch, tokens, hiddenSize]`; 0 are the embeddings. */
  pass(layer: number): ForwardPass;
  /** Texts as tokens, special ones among them; shorter ones are padded. */
  inputsOf(texts: readonly ArrayLike<number>[]): Readonly<Record<string, HostTensor>>;
}

/** Names of one layer's parts, as BERT's and DistilBERT's weights have them. */
interface LayerNames {
  readonly layer: string;
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly attentionOutput: string;
  readonly attentionNorm: string;
  readonly intermediate: string;
  readonly output: string;
  readonly outputNorm: string;
}

const bertNames: LayerNames = {
  layer: "encoder.layer.",
  query: "attention.self.query",
  key: "attention.self.key",
  value: "attention.self.value",
  attentionOutput: "attention.output.dense",
  attentionNorm: "attention.output.LayerNorm",
  intermediate: "intermediate.dense",
  output: "output.dense",
  outputNorm: "output.LayerNorm",
};

const distilBertNames: LayerNames = {
  layer: "transformer.layer.",
  query: "attention.q_lin",
  key: "attention.k_lin",
  value: "attention.v_lin",
  attentionOutput: "attention.out_lin",
  attentionNorm: "sa_layer_norm",
  intermediate: "ffn.lin1",
  output: "ffn.lin2",
  outputNorm: "output_layer_norm",
};

interface EncoderSettings {
  readonly names: LayerNames;
  readonly prefix: string;
  readonly heads: number;
  readonly activation: Activation;
  readonly eps: number;
  /** Tokens have types, which are all 0 here. */
  readonly hasTypes: boolean;
}

/** Model types that `textEncoder` knows. */
export const textEncoderTypes: readonly string[] = [
  "bert",
  "roberta",
  "xlm-roberta",
  "distilbert",
  "deberta",
  "deberta-v2",
];

/**
 * BERT (arXiv:1810.04805; MiniLM and SciBERT are of its kind), RoBERTa, DistilBERT and DeBERTa.
 * @param config the contents of config.json
 * @throws {ConfigError} for other model types, and for parts of DeBERTa that are not known here
 */
export function textEncoder(config: unknown, tensors: TensorSpecs): TextEncoder {
  const reader = readConfig(config);
  const modelType = reader.text("model_type");
  if (!textEncoderTypes.includes(modelType)) {
    throw new ConfigError(
      `model_type "${modelType}" is no encoder; known are ${textEncoderTypes.join(", ")}`,
    );
  }
  if (modelType.startsWith("deberta")) return debertaEncoder(config, modelType, tensors);
  const isDistil = modelType === "distilbert";
  const isRoberta = modelType.includes("roberta");
  const [layers, hiddenSize] = isDistil
    ? [reader.size("n_layers", 6), reader.size("dim", 768)]
    : [reader.size("num_hidden_layers", 12), reader.size("hidden_size", 768)];
  const settings = settingsOf(reader, modelType, tensors);
  assertNoFurtherLayers(tensors, modelType, settings.prefix + settings.names.layer, layers);
  // RoBERTa counts positions from behind its padding token's number.
  const padToken = isRoberta
    ? reader.number("pad_token_id", 1)
    : (reader.numberOrNull("pad_token_id", 0) ?? 0);
  const firstPosition = isRoberta ? padToken + 1 : 0;
  return {
    modelType,
    layers,
    hiddenSize,
    maxTokens: reader.size("max_position_embeddings", 512) - firstPosition,
    pass(layer) {
      assertLayer(layer, layers);
      const tokens = { dtype: "I32", shape: [undefined, undefined] } as const;
      const visible = { dtype: "F32", shape: [undefined, 1, undefined, undefined] } as const;
      return forwardPass({ ids: tokens, positions: tokens, types: tokens, visible }, (ops, inputs) => ({
        hidden: encode(ops, settings, layer, inputs),
      }));
    },
    inputsOf: (texts) => paddedTexts(texts, padToken, firstPosition),
  };
}

function settingsOf(reader: ConfigReader, modelType: string, tensors: TensorSpecs): EncoderSettings {
  const isDistil = modelType === "distilbert";
  const prefix = ["", "bert.", "roberta.", "distilbert."].find((start) =>
    tensors.has(`${start}embeddings.word_embeddings.weight`),
  );
  if (prefix === undefined)
    throw new ConfigError(`there are no embeddings of a ${modelType} among the weights`);
  return {
    names: isDistil ? distilBertNames : bertNames,
    prefix,
    heads: isDistil ? reader.size("n_heads", 12) : reader.size("num_attention_heads", 12),
    activation: activationOf(reader, isDistil ? "activation" : "hidden_act", "gelu"),
    eps: isDistil ? 1e-12 : reader.number("layer_norm_eps", 1e-12),
    hasTypes: !isDistil,
  };
}

/** Each norm comes after what it follows. */
function encode<T>(
  ops: Ops<T>,
  { names, prefix, heads, activation, eps, hasTypes }: EncoderSettings,
  layers: number,
  { ids, positions, types, visible }: Readonly<Record<"ids" | "positions" | "types" | "visible", T>>,
): T {
  const linear = (x: T, name: string) => ops.linear(x, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  const norm = (x: T, name: string) =>
    ops.layerNorm(x, eps, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  const rows = (of: T, table: string) => ops.embed(of, `${prefix}embeddings.${table}_embeddings.weight`);
  let x = ops.add(rows(ids, "word"), rows(positions, "position"));
  if (hasTypes) x = ops.add(x, rows(types, "token_type"));
  x = norm(x, "embeddings.LayerNorm");
  for (let index = 0; index < layers; index++) {
    const at = `${names.layer}${index}.`;
    const [q, k, v] = [names.query, names.key, names.value].map((name) => linear(x, at + name)) as [T, T, T];
    const attended = linear(
      ops.attention(q, k, v, { heads, kvHeads: heads }, visible),
      at + names.attentionOutput,
    );
    x = norm(ops.add(attended, x), at + names.attentionNorm);
    const hidden = ops.activate(linear(x, at + names.intermediate), activation);
    x = norm(ops.add(linear(hidden, at + names.output), x), at + names.outputNorm);
  }
  return x;
}
