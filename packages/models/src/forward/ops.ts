// The operations of which forward passes are made, and the contract between those who write one and those who execute it.
//
// A forward pass is a function over `Ops<T>`. It never sees a number that was computed: T stands for a tensor that an executor may
// hold in memory, or on a device, or not at all yet because it is only writing down what is to be done. What a pass must know beforehand,
// such as positions or the places of image tokens, comes to it as inputs that the host computed.
//
// Activations are F32 `[batch, tokens, features]`; ids, positions and places are I32. Weights are named as the checkpoint names them; whether
// one is dense, int4 or NF4 is between the executor and the file.

/** gelu is the exact one (erf); gelu-tanh its approximation; quick-gelu x·σ(1.702x). */
export type Activation = "silu" | "gelu" | "gelu-tanh" | "quick-gelu" | "relu";

/** Rotary position embedding of every token, as computed by `rotaryTables`: cosines and sines `[batch · tokens, headDim / 2]`. */
export interface Rotary<T> {
  readonly cos: T;
  readonly sin: T;
}

export interface AttentionShape {
  readonly heads: number;
  readonly kvHeads: number;
  /** Products of queries and keys are multiplied by it; 1/√headDim unless told. */
  readonly scale?: number | undefined;
}

export interface CachedAttentionShape extends AttentionShape {
  readonly headDim: number;
  /** The decoder layer, whose keys and values of earlier tokens the executor keeps. */
  readonly layer: number;
  /** Scores s become cap · tanh(s / cap), as in Gemma 2. */
  readonly softcap?: number | undefined;
  /** Tokens that a token sees, itself among them; all earlier ones unless told. */
  readonly window?: number | undefined;
}

/** What an executor keeps of earlier tokens: for each layer, keys and values `[batch, kvHeads, capacity, headDim]`. */
export interface CacheSpec {
  readonly layers: readonly { readonly kvHeads: number; readonly headDim: number }[];
}

/** What tokens make of their distances, in DeBERTa: vectors of some distances, and which of them each pair of tokens has. */
export interface RelativePositions<T> {
  /** What queries are held against, `[1, distances, heads · d]`; where missing, queries do not care. */
  readonly keys: T | undefined;
  /** What keys are held against, of the same shape. */
  readonly queries: T | undefined;
  /** Row of the distance from each token to each other, `[t, t]`. */
  readonly rows: T;
}

export interface Ops<T> {
  /** Rows of a table `[rows, features]`: ids `[…]` → `[…, features]`. */
  embed(ids: T, table: string): T;
  /** A small stored tensor as it is, in the shape given. */
  weight(name: string, shape: readonly number[]): T;
  /** x·Wᵀ + b over the last axis, W `[out, in]`; a stored weight of more axes counts as `[out, the rest]`. */
  linear(x: T, weight: string, bias?: string): T;
  /** x·W + b, W `[in, out]`: GPT-2 stores its weights so. */
  linearTransposed(x: T, weight: string, bias: string): T;
  /** (x − mean) / √(variance + eps) · w + b over the last axis; without names, no w and no b. */
  layerNorm(x: T, eps: number, weight?: string, bias?: string): T;
  /** x / √(mean(x²) + eps) · (w + offset) over the last axis (arXiv:1910.07467); Gemma stores w − 1. */
  rmsNorm(x: T, weight: string, eps: number, offset: number): T;
  /** The same over the features of each head, with one w `[headDim]` for all heads: `[b, t, heads · headDim]`. */
  headRmsNorm(x: T, weight: string, eps: number, heads: number): T;
  activate(x: T, activation: Activation): T;
  /** act(gate) ⊙ up. */
  gated(gate: T, up: T, activation: Activation): T;
  tanh(x: T): T;
  /** Of equal shapes, or b's leading axes are 1 or missing. */
  add(a: T, b: T): T;
  scale(x: T, factor: number): T;
  /** Rotates the two halves of each head (arXiv:2104.09864, in the layout of Hugging Face's weights): `[b, t, heads · headDim]`. */
  rotate(x: T, rotary: Rotary<T>, heads: number): T;
  /**
   * Softmax(q·kᵀ·scale + bias)·v, every token seeing every token of its batch: q `[b, t, heads · d]`, k and v `[b, s, kvHeads · d]`.
   * @param bias added to the scores, `[b or 1, heads or 1, t or 1, s]`
   */
  attention(q: T, k: T, v: T, shape: AttentionShape, bias?: T): T;
  /**
   * What distances add to the scores of attention in DeBERTa (arXiv:2006.03654), to be given to it as its bias:
   * (q[i]·keys[rows[i, j]] + k[j]·queries[rows[i, j]])·scale + bias[i, j] `[b, heads, t, t]`.
   * @param bias `[b or 1, 1, t or 1, t]`
   */
  relativeScores(
    q: T,
    k: T,
    relative: RelativePositions<T>,
    shape: { readonly heads: number; readonly scale: number },
    bias: T,
  ): T;
  /**
   * Attention of new tokens to those before them and to themselves, keys and values being kept for later ones.
   * @param bias where given, what tokens see is its business alone: `[b, 1, t, capacity of the cache]`
   */
  cachedAttention(q: T, k: T, v: T, shape: CachedAttentionShape, bias?: T): T;
  /**
   * How much attention each token receives: the mean over heads and queries of softmax(q·kᵀ·scale + bias), q `[b, t, heads · d]` and k
   * `[b, s, kvHeads · d]` → `[b, 1, s]`.
   * @param rows one query of each batch, counted through all batches, `[b]`; every query unless told
   * @param bias `[b or 1, 1, t or 1, s]`
   */
  receivedAttention(q: T, k: T, shape: AttentionShape, rows?: T, bias?: T): T;
  /** Mean of the heads: `[b, t, heads · d]` → `[b, t, d]`. */
  headMean(x: T, heads: number): T;
  /** a·bᵀ, every row of one with every row of the other: `[1, n, features]` and `[1, m, features]` → `[1, n, m]`. */
  rowProducts(a: T, b: T): T;
  /** Weighted sums of rows: shares `[1, n, m]`, x `[1, m, features]` → `[1, n, features]`. */
  mixRows(shares: T, x: T): T;
  /** Convolution whose stride is its kernel, patches in rows: `[n, channels, height, width]` → `[n, patches, out]`. */
  patches(pixels: T, weight: string, patchSize: number, bias?: string): T;
  /** The same rows before the tokens of each batch: rows `[count, features]`. */
  prepend(x: T, rows: T): T;
  /** The rows once for each batch of `like`. */
  repeat(rows: T, like: T): T;
  /** Tokens from `first` on. */
  tokensFrom(x: T, first: number): T;
  /** Equal parts of the last axis. */
  split(x: T, parts: number): readonly T[];
  /** Side by side along the last axis. */
  join(parts: readonly T[]): T;
  /** One after the other along the axis of tokens, as one batch: `[…, features]` each → `[1, all tokens, features]`. */
  stack(parts: readonly T[]): T;
  /** As one batch of tokens of so many features: neighbours merge or fall apart. */
  regroup(x: T, features: number): T;
  /** Rows of all batches' tokens, counted through: `[b, t, features]`, rows `[n]` → `[1, n, features]`. */
  takeRows(x: T, rows: T): T;
  /** x with rows, counted through, replaced or added to: values `[1, n, features]`, rows `[n]`. */
  putRows(x: T, values: T, rows: T, how: "replace" | "add"): T;
  /** Σₖ weights[n, k] · table[ids[n, k]] → `[1, n, features]`. */
  blendRows(table: string, ids: T, weights: T): T;
  /**
   * What the linear of this weight should give: an executor that keeps statistics of what goes into linears sums products of the two.
   * Changes nothing.
   */
  target(weight: string, wanted: T): void;
}

export type ElementType = "F32" | "I32";

/** A tensor that a forward pass takes; sizes that differ from run to run are undefined. */
export interface InputSpec {
  readonly dtype: ElementType;
  readonly shape: readonly (number | undefined)[];
}

/** A forward pass with what it takes. */
export interface ForwardPass {
  readonly inputs: Readonly<Record<string, InputSpec>>;
  run<T>(ops: Ops<T>, inputs: Readonly<Record<string, T>>): Readonly<Record<string, T>>;
}

/** A forward pass whose inputs are known by name. */
export function forwardPass<Name extends string>(
  inputs: Readonly<Record<Name, InputSpec>>,
  run: <T>(ops: Ops<T>, inputs: Readonly<Record<Name, T>>) => Readonly<Record<string, T>>,
): ForwardPass {
  return { inputs, run };
}

/** A tensor of the host. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array;
}
