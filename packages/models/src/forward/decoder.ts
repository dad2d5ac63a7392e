import type { Block, BlockNorm } from "../calibration.ts";
import type { Attention, LanguageModel, Layer, Mlp, ModelDescription } from "../description.ts";
import type { DecoderSettings } from "./decoder-settings.ts";
import type { AttentionShape, Ops, Rotary } from "./ops.ts";

/** What a decoder takes besides its weights. Tokens of all batches lie one after the other where they are counted through. */
export interface DecoderInputs<T> {
  /** `[batch, tokens]`. */
  readonly ids: T;
  /** Of models with rotary positions. */
  readonly rotary: Rotary<T> | undefined;
  /** Of models with learned positions: rows of their table, `[batch, tokens]`. */
  readonly positions: T | undefined;
  /**
   * What takes the place of some tokens' embeddings, values `[1, n, hiddenSize]` and rows `[n]`, and what is added to them behind the first
   * layers.
   */
  readonly images:
    | { readonly values: T | undefined; readonly rows: T; readonly deep: readonly (T | undefined)[] }
    | undefined;
  /** Of models where the prompt sees itself whole: what each token sees, `[batch, 1, tokens, capacity]`. */
  readonly visible: T | undefined;
  /** Tokens whose logits are wanted, counted through: `[n]`. */
  readonly wanted: T;
}

/** What every step of a decoder's pass needs. */
export interface DecoderPass<T> {
  readonly ops: Ops<T>;
  readonly description: ModelDescription;
  readonly settings: DecoderSettings;
  readonly inputs: Omit<DecoderInputs<T>, "ids" | "wanted">;
}

/** From tokens to logits `[1, wanted, vocabSize]`: Llama and its kin (Mistral, Qwen2, Qwen3, Gemma), or OPT. */
export function decode<T>(
  ops: Ops<T>,
  description: ModelDescription,
  settings: DecoderSettings,
  inputs: DecoderInputs<T>,
): T {
  const pass = { ops, description, settings, inputs };
  let stream = embedTokens(pass, inputs.ids);
  for (const layer of description.languageModel.layers) {
    stream = attentionBlock(pass, stream, layer, layer.index);
    stream = mlpBlock(pass, stream, layer, layer.index);
  }
  return headLogits(pass, stream, inputs.wanted);
}

/** The residual stream before the first layer, `[batch, tokens, hiddenSize]`. */
export function embedTokens<T>(pass: DecoderPass<T>, ids: T): T {
  const { ops, settings, inputs } = pass;
  const embedded = ops.embed(ids, languageModelOf(pass).embedTokens);
  const x = settings.embeddingScale === 1 ? embedded : ops.scale(embedded, settings.embeddingScale);
  const { values, rows } = inputs.images ?? {};
  const seen = values === undefined || rows === undefined ? x : ops.putRows(x, values, rows, "replace");
  const wide = settings.projects ? ops.linear(seen, nameOf(pass, "project_in")) : seen;
  return inputs.positions === undefined
    ? wide
    : ops.add(wide, ops.embed(inputs.positions, nameOf(pass, "embed_positions")));
}

/**
 * The residual stream behind a layer's attention.
 * @param cached the layer of the cache that keeps keys and values
 * @param watch is told the queries and keys
 */
export function attentionBlock<T>(
  pass: DecoderPass<T>,
  stream: T,
  layer: Layer<Attention>,
  cached: number,
  watch?: (attention: AttentionInputs<T>) => void,
): T {
  const attention = (x: T) => attend(pass, x, layer, cached, watch);
  if (isOpt(pass)) return aroundOpt(pass, stream, layer, "self_attn_layer_norm", attention);
  const attended = attention(layerNorm(pass, stream, layer, "input_layernorm"));
  return pass.ops.add(
    stream,
    normsResults(pass) ? layerNorm(pass, attended, layer, "post_attention_layernorm") : attended,
  );
}

/**
 * The residual stream behind a layer's MLP, and behind what pictures add there in Qwen3-VL.
 * @param place of the layer among those that the model has
 */
export function mlpBlock<T>(pass: DecoderPass<T>, stream: T, layer: Layer<Attention>, place: number): T {
  const mlp = (x: T) => feedForward(pass, x, layer.mlp);
  if (isOpt(pass)) return aroundOpt(pass, stream, layer, "final_layer_norm", mlp);
  const { ops } = pass;
  if (!normsResults(pass)) {
    const fed = mlp(layerNorm(pass, stream, layer, "post_attention_layernorm"));
    return withDeepFeatures(pass, ops.add(stream, fed), place);
  }
  const fed = mlp(layerNorm(pass, stream, layer, "pre_feedforward_layernorm"));
  return ops.add(stream, layerNorm(pass, fed, layer, "post_feedforward_layernorm"));
}

/** What pictures add to the stream behind the first layers: DeepStack (arXiv:2406.04334). */
export function withDeepFeatures<T>({ ops, inputs }: DecoderPass<T>, stream: T, place: number): T {
  const deep = inputs.images?.deep[place];
  return deep === undefined || inputs.images === undefined
    ? stream
    : ops.putRows(stream, deep, inputs.images.rows, "add");
}

const FINAL_NORM = "norm";

/** Logits of some tokens `[1, wanted, vocabSize]` from the stream behind the last layer. */
export function headLogits<T>(pass: DecoderPass<T>, stream: T, wanted: T): T {
  const { ops, settings } = pass;
  const { lmHead, embedTokens: table } = languageModelOf(pass);
  const taken = ops.takeRows(stream, wanted);
  const normed = !isOpt(pass)
    ? rmsNorm(pass, taken, FINAL_NORM)
    : settings.finalNorm
      ? optNorm(pass, taken, "final_layer_norm")
      : taken;
  const x = settings.projects ? ops.linear(normed, nameOf(pass, "project_out")) : normed;
  const scores = ops.linear(x, lmHead?.weight ?? table, lmHead?.bias);
  const cap = settings.logitSoftcap;
  return cap === undefined ? scores : ops.scale(ops.tanh(ops.scale(scores, 1 / cap)), cap);
}

/** The gain of the RMS norm before the output layer; undefined where a model has none. */
export function finalGain(description: ModelDescription): string | undefined {
  const { modelType } = description.languageModel;
  return modelType === "opt" ? undefined : nameOf({ description }, FINAL_NORM);
}

/** Rows of the stream as the final RMS norm gives them. */
export function finalNormed<T>(pass: DecoderPass<T>, stream: T, wanted: T): T {
  return rmsNorm(pass, pass.ops.takeRows(stream, wanted), FINAL_NORM);
}

/** The norm between the stream and a block's first linears; undefined where there is none, or it has no gain. */
export function normBefore(
  pass: Pick<DecoderPass<unknown>, "description" | "settings">,
  layer: number,
  kind: Block["kind"],
): BlockNorm | undefined {
  const { languageModel } = pass.description;
  const { normFirst, normWeights, normOffset } = pass.settings;
  const named = (name: string) => nameOf(pass, `layers.${layer}.${name}`);
  const isAttention = kind === "attention";
  if (languageModel.modelType === "opt") {
    if (!normFirst || !normWeights) return undefined;
    const name = `layers.${layer}.${isAttention ? "self_attn_layer_norm" : "final_layer_norm"}`;
    return { weight: nameOf(pass, name), bias: nameOf(pass, name, "bias"), offset: 0 };
  }
  const mlpNorm =
    languageModel.modelType === "gemma2" ? "pre_feedforward_layernorm" : "post_attention_layernorm";
  return { weight: named(isAttention ? "input_layernorm" : mlpNorm), offset: normOffset };
}

/** Whether what a block's last linear gives goes into the stream as it is: some models norm it, or the sum. */
export function addsAsItIs({ languageModel }: ModelDescription, { normFirst }: DecoderSettings): boolean {
  return languageModel.modelType === "opt" ? normFirst : languageModel.modelType !== "gemma2";
}

function normsResults(pass: DecoderPass<unknown>): boolean {
  return languageModelOf(pass).modelType === "gemma2";
}

function isOpt(pass: DecoderPass<unknown>): boolean {
  return languageModelOf(pass).modelType === "opt";
}

function languageModelOf({ description }: DecoderPass<unknown>): LanguageModel {
  return description.languageModel;
}

/** The weight of a part of the decoder's body. */
function nameOf(
  { description }: Pick<DecoderPass<unknown>, "description">,
  part: string,
  kind = "weight",
): string {
  return `${description.prefixes.languageModel ?? ""}${part}.${kind}`;
}

function rmsNorm<T>(pass: DecoderPass<T>, x: T, name: string): T {
  const { eps, normOffset } = pass.settings;
  return pass.ops.rmsNorm(x, nameOf(pass, name), eps, normOffset);
}

function layerNorm<T>(pass: DecoderPass<T>, x: T, { index }: Layer, name: string): T {
  return rmsNorm(pass, x, `layers.${index}.${name}`);
}

/** OPT (arXiv:2205.01068): learned positions, layer norms before a block or behind its sum, an MLP without a gate. */
function aroundOpt<T>(
  pass: DecoderPass<T>,
  stream: T,
  { index }: Layer,
  name: string,
  block: (normed: T) => T,
): T {
  const norm = (x: T) => optNorm(pass, x, `layers.${index}.${name}`);
  return pass.settings.normFirst
    ? pass.ops.add(stream, block(norm(stream)))
    : norm(pass.ops.add(stream, block(stream)));
}

function optNorm<T>(pass: DecoderPass<T>, x: T, name: string): T {
  const { ops, settings } = pass;
  return settings.normWeights
    ? ops.layerNorm(x, settings.eps, nameOf(pass, name), nameOf(pass, name, "bias"))
    : ops.layerNorm(x, settings.eps);
}

/** Queries and keys of a layer, rotated. */
export interface AttentionInputs<T> {
  readonly q: T;
  readonly k: T;
  readonly shape: AttentionShape;
}

/** Queries and keys that a layer's attention would have of this stream. */
export function attentionInputs<T>(
  pass: DecoderPass<T>,
  stream: T,
  layer: Layer<Attention>,
): AttentionInputs<T> {
  if (!isOpt(pass)) return queriesAndKeys(pass, layerNorm(pass, stream, layer, "input_layernorm"), layer);
  const { settings } = pass;
  const normed = settings.normFirst
    ? optNorm(pass, stream, `layers.${layer.index}.self_attn_layer_norm`)
    : stream;
  return queriesAndKeys(pass, normed, layer);
}

function queriesAndKeys<T>(
  pass: DecoderPass<T>,
  x: T,
  { index, attention }: Layer<Attention>,
): AttentionInputs<T> {
  const { ops, settings, inputs } = pass;
  const { qProj, kProj, numHeads, numKvHeads } = attention;
  const normed = (heads: T, count: number, name: string) =>
    settings.qkNorm
      ? ops.headRmsNorm(heads, nameOf(pass, `layers.${index}.self_attn.${name}`), settings.eps, count)
      : heads;
  const rotated = (heads: T, count: number) =>
    inputs.rotary === undefined ? heads : ops.rotate(heads, inputs.rotary, count);
  const q = rotated(normed(ops.linear(x, qProj.weight, qProj.bias), numHeads, "q_norm"), numHeads);
  const k = rotated(normed(ops.linear(x, kProj.weight, kProj.bias), numKvHeads, "k_norm"), numKvHeads);
  return { q, k, shape: { heads: numHeads, kvHeads: numKvHeads, scale: settings.attentionScale } };
}

function attend<T>(
  pass: DecoderPass<T>,
  x: T,
  layer: Layer<Attention>,
  cached: number,
  watch?: (attention: AttentionInputs<T>) => void,
): T {
  const { ops, settings, inputs } = pass;
  const { index, attention } = layer;
  const { vProj, oProj, numHeads, numKvHeads, headDim } = attention;
  const seen = queriesAndKeys(pass, x, layer);
  const { q, k } = seen;
  watch?.(seen);
  const v = ops.linear(x, vProj.weight, vProj.bias);
  const shape = {
    layer: cached,
    heads: numHeads,
    kvHeads: numKvHeads,
    headDim,
    scale: settings.attentionScale,
    softcap: settings.attentionSoftcap,
    window: settings.windows[index],
  };
  return ops.linear(ops.cachedAttention(q, k, v, shape, inputs.visible), oProj.weight, oProj.bias);
}

function feedForward<T>({ ops, settings }: DecoderPass<T>, x: T, mlp: Mlp): T {
  if (mlp.kind === "plain") {
    const hidden = ops.activate(ops.linear(x, mlp.fc1.weight, mlp.fc1.bias), settings.activation);
    return ops.linear(hidden, mlp.fc2.weight, mlp.fc2.bias);
  }
  const { gateProj, upProj, downProj } = mlp;
  const gate = ops.linear(x, gateProj.weight, gateProj.bias);
  const hidden = ops.gated(gate, ops.linear(x, upProj.weight, upProj.bias), settings.activation);
  return ops.linear(hidden, downProj.weight, downProj.bias);
}
