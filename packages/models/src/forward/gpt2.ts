import { readConfig } from "../config-reader.ts";
import { ConfigError, type TensorSpecs } from "../description.ts";
import { assertNoFurtherLayers } from "../layer-count.ts";
import { activationOf } from "./activation.ts";
import { rowInput, rowTensor } from "./image-encoders/image-encoder.ts";
import { type Activation, type ForwardPass, forwardPass, type HostTensor, type Ops } from "./ops.ts";
import { causalBias, paddedTexts } from "./padded-texts.ts";

/** GPT-2, reading whole texts at once: how likely is what is there already. */
export interface Gpt2Forward {
  /** Tokens that a text has at most. */
  readonly maxTokens: number;
  readonly vocabSize: number;
  /** From texts to `logits` `[1, wanted, vocabSize]`. */
  readonly pass: ForwardPass;
  /**
   * Texts as tokens; shorter ones are padded at their end, which nobody before it sees.
   * @param wanted tokens whose logits are wanted, counted through all texts, padding counted too
   */
  inputsOf(
    texts: readonly ArrayLike<number>[],
    wanted: ArrayLike<number>,
  ): Readonly<Record<string, HostTensor>>;
}

interface Gpt2Settings {
  readonly prefix: string;
  readonly layers: number;
  readonly heads: number;
  readonly eps: number;
  readonly activation: Activation;
  readonly output: string;
  /** Of a layer: what products of queries and keys are multiplied by. */
  scaleOf(layer: number): number;
}

/**
 * GPT-2 (Radford et al. 2019).
 * @param config the contents of config.json
 * @throws {ConfigError} where it or the weights are not a GPT-2's
 */
export function gpt2Forward(config: unknown, tensors: TensorSpecs): Gpt2Forward {
  const reader = readConfig(config);
  const modelType = reader.text("model_type");
  if (modelType !== "gpt2") throw new ConfigError(`model_type "${modelType}" is no gpt2`);
  const prefix = ["", "transformer."].find((start) => tensors.has(`${start}wte.weight`));
  if (prefix === undefined) throw new ConfigError("there are no embeddings of a gpt2 among the weights");
  const [hiddenSize, heads] = [reader.size("n_embd", 768), reader.size("n_head", 12)];
  const scale = reader.flag("scale_attn_weights", true) ? (hiddenSize / heads) ** -0.5 : 1;
  const byLayer = reader.flag("scale_attn_by_inverse_layer_idx", false);
  const settings: Gpt2Settings = {
    prefix,
    layers: reader.size("n_layer", 12),
    heads,
    eps: reader.number("layer_norm_epsilon", 1e-5),
    activation: activationOf(reader, "activation_function", "gelu_new"),
    output: tensors.has("lm_head.weight") ? "lm_head.weight" : `${prefix}wte.weight`,
    scaleOf: (layer) => (byLayer ? scale / (layer + 1) : scale),
  };
  assertNoFurtherLayers(tensors, modelType, `${prefix}h.`, settings.layers);
  const tokens = { dtype: "I32", shape: [undefined, undefined] } as const;
  const visible = { dtype: "F32", shape: [1, 1, undefined, undefined] } as const;
  return {
    maxTokens: reader.size("n_positions", 1024),
    vocabSize: tensors.get(settings.output)?.shape[0] ?? reader.size("vocab_size", 50257),
    pass: forwardPass({ ids: tokens, positions: tokens, visible, wanted: rowInput }, (ops, inputs) => ({
      logits: read(ops, settings, inputs),
    })),
    inputsOf(texts, wanted) {
      const { ids, positions } = paddedTexts(texts, 0);
      return { ids, positions, visible: causalBias(ids.shape[1] as number), wanted: rowTensor(wanted) };
    },
  };
}

/** Each norm comes before what it serves; weights are `[in, out]`. */
function read<T>(
  ops: Ops<T>,
  { prefix, layers, heads, eps, activation, output, scaleOf }: Gpt2Settings,
  { ids, positions, visible, wanted }: Readonly<Record<"ids" | "positions" | "visible" | "wanted", T>>,
): T {
  const linear = (x: T, name: string) =>
    ops.linearTransposed(x, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  const norm = (x: T, name: string) =>
    ops.layerNorm(x, eps, `${prefix}${name}.weight`, `${prefix}${name}.bias`);
  let x = ops.add(ops.embed(ids, `${prefix}wte.weight`), ops.embed(positions, `${prefix}wpe.weight`));
  for (let index = 0; index < layers; index++) {
    const at = `h.${index}.`;
    const [q, k, v] = ops.split(linear(norm(x, `${at}ln_1`), `${at}attn.c_attn`), 3) as [T, T, T];
    const shape = { heads, kvHeads: heads, scale: scaleOf(index) };
    x = ops.add(x, linear(ops.attention(q, k, v, shape, visible), `${at}attn.c_proj`));
    const hidden = ops.activate(linear(norm(x, `${at}ln_2`), `${at}mlp.c_fc`), activation);
    x = ops.add(x, linear(hidden, `${at}mlp.c_proj`));
  }
  return ops.linear(norm(ops.takeRows(x, wanted), "ln_f"), output);
}
