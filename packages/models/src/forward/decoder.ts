import type { Attention, LanguageModel, Layer, Mlp, ModelDescription } from "../description.ts";
import type { DecoderSettings } from "./decoder-settings.ts";
import type { Ops, Rotary } from "./ops.ts";

/** What a decoder takes besides its weights. Tokens of all batches lie one after the other where they are counted through. */
export interface DecoderInputs<T> {
  /** `[batch, tokens]`. */
  readonly ids: T;
  /** Of models with rotary positions. */
  readonly rotary: Rotary<T> | undefined;
  /** Of models with learned positions: rows of their table, `[batch, tokens]`. */
  readonly positions: T | undefined;
  /** What takes the place of some tokens' embeddings: values `[1, n, hiddenSize]`, rows `[n]`. */
  readonly images: { readonly values: T; readonly rows: T; readonly deep: readonly T[] } | undefined;
  /** Of models where the prompt sees itself whole: what each token sees, `[batch, 1, tokens, capacity]`. */
  readonly visible: T | undefined;
  /** Tokens whose logits are wanted, counted through: `[n]`. */
  readonly wanted: T;
}

/** From tokens to logits `[1, wanted, vocabSize]`: Llama and its kin (Mistral, Qwen2, Qwen3, Gemma), or OPT. */
export function decode<T>(
  ops: Ops<T>,
  { languageModel: model, prefixes }: ModelDescription,
  settings: DecoderSettings,
  inputs: DecoderInputs<T>,
): T {
  const pass = { ops, model, prefix: prefixes.languageModel ?? "", settings, inputs };
  return model.modelType === "opt" ? decodeOpt(pass) : decodeGated(pass);
}

/** What every step of a decoder's pass needs. */
interface Pass<T> {
  readonly ops: Ops<T>;
  readonly model: LanguageModel;
  readonly prefix: string;
  readonly settings: DecoderSettings;
  readonly inputs: DecoderInputs<T>;
}

function decodeGated<T>(pass: Pass<T>): T {
  const { ops, model, prefix, settings, inputs } = pass;
  const norm = (x: T, name: string) =>
    ops.rmsNorm(x, `${prefix}${name}.weight`, settings.eps, settings.normOffset);
  let x = embed(pass);
  for (const layer of model.layers) {
    const at = `layers.${layer.index}.`;
    const attended = attend(pass, norm(x, `${at}input_layernorm`), layer);
    if (model.modelType === "gemma2") {
      x = ops.add(x, norm(attended, `${at}post_attention_layernorm`));
      const fed = feedForward(pass, norm(x, `${at}pre_feedforward_layernorm`), layer.mlp);
      x = ops.add(x, norm(fed, `${at}post_feedforward_layernorm`));
    } else {
      x = ops.add(x, attended);
      x = ops.add(x, feedForward(pass, norm(x, `${at}post_attention_layernorm`), layer.mlp));
    }
    const deep = inputs.images?.deep[layer.index];
    if (deep !== undefined && inputs.images !== undefined)
      x = ops.putRows(x, deep, inputs.images.rows, "add");
  }
  return logits(pass, norm(ops.takeRows(x, inputs.wanted), "norm"));
}

/** OPT (arXiv:2205.01068): learned positions, layer norms, an MLP without a gate. */
function decodeOpt<T>(pass: Pass<T>): T {
  const { ops, model, prefix, settings, inputs } = pass;
  const norm = (x: T, name: string) =>
    settings.normWeights
      ? ops.layerNorm(x, settings.eps, `${prefix}${name}.weight`, `${prefix}${name}.bias`)
      : ops.layerNorm(x, settings.eps);
  const project = (x: T, name: string) => (settings.projects ? ops.linear(x, `${prefix}${name}.weight`) : x);
  let x = project(embed(pass), "project_in");
  if (inputs.positions !== undefined) {
    x = ops.add(x, ops.embed(inputs.positions, `${prefix}embed_positions.weight`));
  }
  for (const layer of model.layers) {
    const at = `layers.${layer.index}.`;
    const around = (input: T, name: string, block: (normed: T) => T) =>
      settings.normFirst
        ? ops.add(input, block(norm(input, at + name)))
        : norm(ops.add(input, block(input)), at + name);
    x = around(x, "self_attn_layer_norm", (normed) => attend(pass, normed, layer));
    x = around(x, "final_layer_norm", (normed) => feedForward(pass, normed, layer.mlp));
  }
  x = ops.takeRows(x, inputs.wanted);
  return logits(pass, project(settings.finalNorm ? norm(x, "final_layer_norm") : x, "project_out"));
}

function embed<T>({ ops, model, settings, inputs }: Pass<T>): T {
  const embedded = ops.embed(inputs.ids, model.embedTokens);
  const x = settings.embeddingScale === 1 ? embedded : ops.scale(embedded, settings.embeddingScale);
  return inputs.images === undefined
    ? x
    : ops.putRows(x, inputs.images.values, inputs.images.rows, "replace");
}

function attend<T>(pass: Pass<T>, x: T, { index, attention }: Layer<Attention>): T {
  const { ops, prefix, settings, inputs } = pass;
  const { qProj, kProj, vProj, oProj, numHeads, numKvHeads, headDim } = attention;
  ops.probe(qProj.weight, x);
  const normed = (heads: T, count: number, name: string) =>
    settings.qkNorm
      ? ops.headRmsNorm(heads, `${prefix}layers.${index}.self_attn.${name}.weight`, settings.eps, count)
      : heads;
  const rotated = (heads: T, count: number) =>
    inputs.rotary === undefined ? heads : ops.rotate(heads, inputs.rotary, count);
  const q = rotated(normed(ops.linear(x, qProj.weight, qProj.bias), numHeads, "q_norm"), numHeads);
  const k = rotated(normed(ops.linear(x, kProj.weight, kProj.bias), numKvHeads, "k_norm"), numKvHeads);
  const v = ops.linear(x, vProj.weight, vProj.bias);
  const shape = {
    layer: index,
    heads: numHeads,
    kvHeads: numKvHeads,
    headDim,
    scale: settings.attentionScale,
    softcap: settings.attentionSoftcap,
    window: settings.windows[index],
  };
  const attended = ops.cachedAttention(q, k, v, shape, inputs.visible);
  ops.probe(oProj.weight, attended);
  return ops.linear(attended, oProj.weight, oProj.bias);
}

function feedForward<T>({ ops, settings }: Pass<T>, x: T, mlp: Mlp): T {
  if (mlp.kind === "plain") {
    ops.probe(mlp.fc1.weight, x);
    const hidden = ops.activate(ops.linear(x, mlp.fc1.weight, mlp.fc1.bias), settings.activation);
    ops.probe(mlp.fc2.weight, hidden);
    return ops.linear(hidden, mlp.fc2.weight, mlp.fc2.bias);
  }
  const { gateProj, upProj, downProj } = mlp;
  ops.probe(gateProj.weight, x);
  const gate = ops.linear(x, gateProj.weight, gateProj.bias);
  const hidden = ops.gated(gate, ops.linear(x, upProj.weight, upProj.bias), settings.activation);
  ops.probe(downProj.weight, hidden);
  return ops.linear(hidden, downProj.weight, downProj.bias);
}

function logits<T>({ ops, model, settings }: Pass<T>, x: T): T {
  const scores = ops.linear(x, model.lmHead?.weight ?? model.embedTokens, model.lmHead?.bias);
  const cap = settings.logitSoftcap;
  return cap === undefined ? scores : ops.scale(ops.tanh(ops.scale(scores, 1 / cap)), cap);
}
