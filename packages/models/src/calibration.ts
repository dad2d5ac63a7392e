// How a model reads calibration data while it is compressed, as types alone: whoever runs models implements it, whoever compresses them
// uses it, and tests fake it.
//
// A decoder is a row of blocks, the attention and the MLP of each layer in turn, which add to the residual stream. Two streams go through them
// side by side: that of the dense model, and that of the model compressed so far. `observe` looks at the block that is next, on the compressed
// stream; `advance` takes both streams past it.

/** Of what goes into a linear, over all tokens that are fitted to. Linears of the same input share one object. */
export interface InputStatistics {
  readonly tokens: number;
  /** Of each channel. */
  readonly mean: Float64Array;
  readonly meanSquare: Float64Array;
  /** Of |x|. */
  readonly meanAbs: Float64Array;
  /** The greatest |x|. */
  readonly maxAbs: Float64Array;
  /** √(Σ over sequences of (mean of |x| over its tokens)²): Minitron's importance of a channel (arXiv:2407.14679). */
  readonly sequenceMagnitude: Float64Array;
  /** Σ x·xᵀ over the tokens `[channels, channels]`, whole, where it was asked for. */
  readonly gram?: Float32Array | Float64Array | undefined;
}

/** By the name of the linear's weight. */
export type Activations = ReadonlyMap<string, InputStatistics>;

/**
 * What a block's last linear (o_proj, down_proj or fc2) should give, without its bias: t = share · residual + (1 − share) · local. The residual
 * target takes the compressed stream to the dense one: dense stream after the block, and after the dropped layers that follow it, −
 * compressed stream before the block − bias. The local one is what the linear gives with the tensors that the block has in this observation.
 */
export interface ResidualTarget {
  /** Σ t·xᵀ over the tokens `[outFeatures, channels]`, x being the input of that linear. */
  readonly cross: Float32Array | Float64Array;
  /** Σ ‖t‖² over the tokens. */
  readonly squares: number;
}

export interface Block {
  /** By the number that it has in the dense model. */
  readonly layer: number;
  readonly kind: "attention" | "mlp";
}

/** New contents of a stored tensor, of fewer rows or columns maybe: heads and neurons follow from the shapes. */
export interface ReplacedTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** By the name of the stored tensor. */
export type Replacements = ReadonlyMap<string, ReplacedTensor>;

export interface ObserveRequest {
  /** Weights of the block whose inputs' Gram matrices are wanted. */
  readonly gram?: readonly string[];
  /** The residual target's share from 0 to 1, where a target is wanted. */
  readonly target?: number | undefined;
}

export interface Observation {
  /** Of every linear of the block. */
  readonly inputs: Activations;
  /** Where it was asked for, and the block adds what its last linear gives to the stream as it is (Gemma 2 norms it first). */
  readonly target: ResidualTarget | undefined;
  /** Undefined where the stream itself goes into them, or the norm has no gain. */
  readonly norm: BlockNorm | undefined;
}

/** The norm whose result goes into a block's first linears, and nowhere else. */
export interface BlockNorm {
  /** Names of its gain and, in layer norms, its bias. */
  readonly weight: string;
  readonly bias?: string | undefined;
  /** Added to the stored gain: 1 in Gemma. */
  readonly offset: number;
}

export interface CalibrationWalk {
  /** Those of the layers that stay. */
  readonly blocks: readonly Block[];
  /** Sequences, and tokens of them, that are fitted to; those held out are not counted. */
  readonly sequences: number;
  readonly tokens: number;
  /**
   * Runs the next block on the compressed stream.
   * @param replacements in the place of stored tensors of the block
   */
  observe(request: ObserveRequest, replacements?: Replacements): Promise<Observation>;
  /**
   * Mean negative log-likelihood (nats) of the held-out tokens if the next block had these tensors, and the blocks behind it, but
   * for the dropped ones, their stored ones. Behind the last block, if the final norm had this gain.
   */
  loss(replacements?: Replacements): Promise<number>;
  /**
   * ‖compressed − dense‖² / ‖dense‖² of the streams behind the next block over the held-out tokens, if it had these tensors.
   */
  error(replacements?: Replacements): Promise<number>;
  /**
   * The same of each token by itself, in the mean over them. Norms see tokens so, and a few of massive activations, whose stream is a hundred times
   * as long as others', do not hide what becomes of those.
   */
  tokenError(replacements?: Replacements): Promise<number>;
  /**
   * Takes both streams past the next block, and the dense one past the dropped layers behind it too.
   * @returns ‖compressed − dense‖² / ‖dense‖² of the streams over the held-out tokens
   */
  advance(replacements?: Replacements): Promise<{ readonly error: number }>;
  /** Behind the last block: what the final norm gives of both streams; undefined where the model has no RMS norm there. */
  finalNorm(): Promise<FinalNormSums | undefined>;
  release(): Promise<void>;
}

/** Over the tokens fitted to that predict another one, of each channel that the final RMS norm gives. */
export interface FinalNormSums {
  /** Name of the gain. */
  readonly weight: string;
  /** Added to the stored gain: 1 in Gemma. */
  readonly offset: number;
  /** Σ compressed · dense. */
  readonly cross: Float64Array;
  /** Σ compressed². */
  readonly squares: Float64Array;
}

/** Solves what compressing needs solved; see `linearAlgebra` of @vlmopt/pruning for the one that runs everywhere. */
export interface LinearAlgebra {
  /**
   * X with X·(A + ridge·I) = B, A `[n, n]` symmetric and positive semidefinite, B `[m, n]`.
   * @throws {RangeError} where A + ridge·I is not positive definite to working precision
   */
  solve(
    a: Float32Array | Float64Array,
    n: number,
    ridge: number,
    b: Float32Array | Float64Array,
  ): Promise<Float64Array | Float32Array>;
  /** (A + ridge·I)⁻¹ `[n, n]`. */
  invert(a: Float32Array | Float64Array, n: number, ridge: number): Promise<Float64Array>;
  /** A·Bᵀ `[rows of A, rows of B]`, both with rows of `depth`. Who has none gets products in WebAssembly. */
  multiply?(
    a: Float32Array | Float64Array,
    b: Float32Array | Float64Array,
    depth: number,
  ): Promise<Float64Array | Float32Array>;
}
