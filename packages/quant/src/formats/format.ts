import type { Weight } from "@vlmopt/models";
import type { Checkpoint, Stage, TensorInfo, TensorOutput, TensorSpec } from "@vlmopt/tensor-io";
import type { Measure } from "../checkpoint/squared-error.ts";
import type { IntegerWeights } from "../integer-weights.ts";
import type { FloatDtype } from "../weights.ts";
import type { LoadedWeight, QuantizedWeight } from "./quantized-weight.ts";
import type { Preset, Scheme } from "./scheme.ts";

/** A way to store the weights of linears: all that is known of it is here. */
export interface Format<S extends Scheme = Scheme> {
  /** `format` of its schemes. */
  readonly name: string;
  /** Short names of schemes, for lists; `parse` may know more. */
  readonly schemes: readonly string[];
  /** The scheme of a short name, undefined where the name is another format's. */
  parse(name: string, preset: Preset): S | undefined;
  /**
   * The scheme for a matrix of this size, or why it cannot be stored so.
   * @param otherSizes of groups, in order of preference, where the scheme's own size does not divide rows
   */
  fit(scheme: S, shape: readonly [rows: number, columns: number], otherSizes: readonly number[]): S | string;
  /** The tensors that take a weight's place; those with `bytes` are constant. */
  outputs(tensor: TensorSpec, scheme: S): TensorOutput[];
  /** Rounds a weight's rows to the outputs that are not constant. */
  encode(tensor: TensorSpec, scheme: S, how: Encoding): Stage;
  /** Formats of integers: a matrix that another method rounded, as the outputs that are not constant. */
  pack?(weights: IntegerWeights, tensor: TensorSpec, scheme: S): Uint8Array[];
  /** Formats of integers: what codes of a matrix may stand for, for methods that choose them. */
  grid?(tensor: TensorSpec, scheme: S): IntegerGrid;
  /** Whether weights that executors join (q, k and v) must have one scale of their whole matrices in common. */
  readonly sharesScales?: boolean;
  /** What config.json says. */
  readonly config: FormatConfig<S>;
  /** The weight whose numbers a tensor of a checkpoint holds, undefined where it is none of this format. */
  find(source: Checkpoint, tensor: TensorInfo): Promise<FoundTensors | undefined>;
  /** Turns rows of the tensor that holds the numbers into rows of plain weights. */
  decode(weight: LoadedWeight, target: FloatDtype): Stage;
  /** Of layouts of integers. */
  integers?(weight: LoadedWeight): StoredIntegers;
  /** Of layouts of a codebook: the scale of each block. */
  blockScales?(weight: LoadedWeight): Float32Array;
  /**
   * Of a format that is not vlmopt's: the URL of the module that exports `createStage = formatStage([format])`, which worker threads load.
   */
  readonly module?: string;
}

/** What `IntegerWeights` a format can pack. */
export interface IntegerGrid {
  readonly bits: IntegerWeights["bits"];
  readonly groupSize: number;
  readonly zeroPoints: boolean;
  /** The least zero point that it can store. */
  readonly lowestZeroPoint: 0 | 1;
  /** What scales are stored as. */
  readonly scaleDtype: FloatDtype;
}

export interface Encoding {
  readonly measure: Measure;
  /** The largest magnitude that a scale of the whole matrix is to hold, where that is not its own. */
  readonly magnitude?: number | undefined;
  /**
   * Of each column, how much an error there counts: E[x²] of what it is multiplied by. Formats that can search for scales do so by it, whatever the
   * scheme's preset; others leave it aside.
   */
  readonly importance?: Float32Array | undefined;
}

/** What a format finds of a weight. */
export interface FoundTensors {
  /** Of the weight that it stands for. */
  readonly name: string;
  readonly weight: Omit<QuantizedWeight, "format">;
  /** Tensors that belong to it. */
  readonly parts: readonly string[];
}

/** A weight of a checkpoint that is stored in fewer bits. */
export interface FoundWeight extends Omit<FoundTensors, "weight"> {
  readonly format: Format;
  readonly weight: QuantizedWeight;
}

export interface StoredIntegers {
  /** `[rows, groups]` */
  readonly scales: Float32Array;
  /** `[rows, groups]`; without them, zero is 2^(bits − 1). */
  readonly zeroPoints: Uint8Array | undefined;
  /** A code a byte, from bytes of whole rows of the tensor that holds the numbers. */
  codes(bytes: Uint8Array): Uint8Array;
}

/** `quantization_config` of config.json. Formats of one method may stand in one configuration, where the method can tell them apart. */
export interface FormatConfig<S extends Scheme = Scheme> {
  /** `quant_method` */
  readonly method: string;
  /** What the configuration says of a scheme. */
  settings(scheme: S): ConfigSettings;
  write(groups: readonly ConfigGroup[], linears: SortedLinears, dtype: FloatDtype): object;
  /** What a configuration says of a module, where it can say different things of different ones. */
  says?(config: object, module: string): ConfigSettings | undefined;
}

export type ConfigSettings = Readonly<Record<string, unknown>>;

export interface ConfigGroup {
  readonly settings: ConfigSettings;
  /** Names of weights. */
  readonly tensors: readonly string[];
}

/** The model's linears, by what becomes of them. */
export interface SortedLinears {
  readonly quantized: readonly Weight[];
  readonly kept: readonly Weight[];
}
