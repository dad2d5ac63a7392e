// What every way of running a model offers. A pass is prepared once, which may take long, and run often; tensors that it gives back
// stay where they were computed until somebody reads them, and may go into another pass unread.
import type { CacheSpec, ForwardPass, HostTensor, LinearAlgebra, Parameters } from "@vlmopt/models";
import type { PassStatistics, ProbeOptions } from "../calibration/input-statistics.ts";
import type { ModelWeights } from "../weights/model-weights.ts";

export interface Executor {
  readonly name: string;
  prepare(pass: ForwardPass, weights: ModelWeights, options?: PrepareOptions): Promise<PreparedPass>;
  /** Room for the keys and values of so many sequences of so many tokens. */
  createCache(spec: CacheSpec, batch: number, capacity: number): KvCache;
  /** Features of several pictures one after the other: `[1, rows, features]` each. */
  stack(parts: readonly DeviceTensor[], features: number): Promise<DeviceTensor>;
  /**
   * Chooses tokens where logits are computed. Executors that have it can take a token as the next one's input before anybody has read
   * it.
   * @param choices of each row of logits
   */
  chooser?(choices: readonly TokenChoice[]): TokenChooser;
  /** Derives a loss of what a pass gives by its weights, of executors that models are trained on. */
  derive?(pass: ForwardPass, weights: ModelWeights, options: DeriveOptions): Promise<DerivedPass>;
  /** Solves least squares where passes run, of executors that are good at it. */
  readonly linearAlgebra?: LinearAlgebra;
  /** The most bytes that it has had allocated at once, where it keeps account. */
  peakBytes?(): number;
  /** Milliseconds that a device took for each pass since this was asked for last, where it keeps account. */
  passTimes?(): Promise<readonly number[]>;
}

/** How the tokens of an answer are chosen: as `drawToken` does. */
export interface TokenChoice {
  /** 0 takes the likeliest token. */
  readonly temperature: number;
  /** Infinity for all tokens. */
  readonly topK: number;
  readonly topP: number;
  /** A number from 0 to below 1 for each token of the answer. */
  readonly uniforms: Float32Array;
}

export interface TokenChooser {
  /**
   * @param logits `[…, rows, vocabSize]`
   * @param step number of the token in its answer, from 0
   * @param excluded tokens that are not chosen
   * @returns tokens `[rows]`; `NO_TOKEN` where logits are NaN or +∞
   */
  choose(logits: DeviceTensor, step: number, excluded?: readonly number[]): Promise<DeviceTensor<Int32Array>>;
  release(): void;
}

export interface PrepareOptions {
  /** Keep account of what goes into linears; not unless told. */
  readonly probes?: ProbeOptions;
}

export interface PreparedPass {
  /** @param step of passes that attend to earlier tokens */
  run(
    inputs: Readonly<Record<string, PassInput>>,
    step?: CacheStep,
  ): Promise<Readonly<Record<string, DeviceTensor>>>;
  /**
   * Of all runs so far; of passes that were prepared for it, by executors that keep account. All sequences of a run are of one length then,
   * so that padding never counts.
   */
  readonly statistics?: () => Promise<PassStatistics>;
  release(): Promise<void>;
}

export type PassInput = HostTensor | DeviceTensor | DeviceTensor<Int32Array>;

/** How far an output of a pass is from what it should be, summed over its rows. */
export interface LossTerm {
  /** Name of the output, `[1, rows, features]`. */
  readonly output: string;
  /** Name of the input that holds what it should be, of the same shape. */
  readonly aim: string;
  /**
   * `divergence`: T²·KL(softmax(aim / T) ‖ softmax(output / T)) (arXiv:1503.02531). `squares`: ‖output − aim‖² / ‖aim‖², so that a token of large
   * activations counts like others.
   */
  readonly kind: "divergence" | "squares";
  /** T of a divergence; 1 by default. */
  readonly temperature?: number | undefined;
  /** A factor; 1 by default. */
  readonly weight?: number | undefined;
}

export interface DeriveOptions {
  /** Shapes of the weights that the loss is derived by, by name. Their numbers come with every run; all others are the model's. */
  readonly trained: ReadonlyMap<string, readonly number[]>;
  /** Their sum is the loss. */
  readonly loss: readonly LossTerm[];
}

export interface DerivedPass {
  /** @param inputs those of the pass, and the aims */
  run(
    inputs: Readonly<Record<string, PassInput>>,
    parameters: Parameters,
  ): Promise<{ readonly loss: number; readonly gradients: Parameters }>;
  /** The loss alone. */
  loss(inputs: Readonly<Record<string, PassInput>>, parameters: Parameters): Promise<number>;
  release(): Promise<void>;
}

export interface CacheStep {
  readonly cache: KvCache;
  /** New tokens of each sequence, without padding. */
  readonly added: readonly number[];
}

export interface KvCache {
  readonly batch: number;
  readonly capacity: number;
  /** Tokens of each sequence so far; a pass that ran has added its own. */
  readonly lengths: Int32Array;
  /** Of keys and values of one token, in all layers. */
  readonly bytesPerToken: number;
  /** Of keys and values of tokens that were dropped from some layers. */
  readonly droppedBytes?: number;
  /** Gives its memory back, where that does not happen by itself. */
  release?(): void;
}

/** A tensor of F32, or I32, where it was computed. */
export interface DeviceTensor<Data extends Float32Array | Int32Array = Float32Array> {
  readonly shape: readonly number[];
  read(): Promise<Data>;
  /** Gives its memory back, where that does not happen by itself. */
  release?(): void;
}

/** Bytes of keys and values of one token. */
export function tokenBytes({ layers }: CacheSpec, bytesPerNumber: number): number {
  return layers.reduce((sum, { kvHeads, headDim }) => sum + 2 * kvHeads * headDim * bytesPerNumber, 0);
}

export function isDeviceTensor(tensor: PassInput): tensor is DeviceTensor | DeviceTensor<Int32Array> {
  return "read" in tensor;
}

/** @throws {RangeError} where sequences are of several lengths, whose padding statistics would count */
export function assertEqualLengths(step: CacheStep | undefined): void {
  const [first, ...others] = step?.added ?? [];
  if (others.some((length) => length !== first)) {
    throw new RangeError(
      `statistics are kept of sequences of one length, and these have ${step?.added.join(", ")} tokens: run those of each length together`,
    );
  }
}
