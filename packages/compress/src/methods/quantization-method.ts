import type { InputStatistics } from "@vlmopt/models";
import type { EncodedMatrix, Format, Scheme } from "@vlmopt/quant";
import type { TensorSpec } from "@vlmopt/tensor-io";

/**
 * A way of rounding linears. A new one is a file beside this one and a line in `quantization-methods.ts`.
 */
export interface QuantizationMethod {
  readonly name: string;
  /** In a line, for help and tables. */
  readonly summary: string;
  /** Whether the Gram matrix of the linears' input is wanted. */
  readonly gram: boolean;
  /** Whether a block's last linear is fitted to what its rounded inputs leave open, before it is rounded itself. */
  readonly refit: boolean;
  /**
   * Factors of the channels of one input, by which its linears' columns are multiplied before they are rounded and what gives the input is divided, so
   * that the model computes the same. Undefined leaves all as it is.
   */
  scaleInputs?(linears: readonly RoundedLinear[], inputs: InputStatistics): Promise<Float64Array | undefined>;
  /** Rounds linears of one input. */
  round(linears: readonly RoundedLinear[], inputs: InputStatistics): Promise<readonly RoundingResult[]>;
}

export interface RoundedLinear {
  /** Of the weight as it is before rounding: pruned, and with the name that it has in the dense model. */
  readonly tensor: TensorSpec;
  readonly data: Float32Array;
  readonly scheme: Scheme;
  readonly format: Format;
  /** See `Encoding`. */
  readonly magnitude: number | undefined;
}

export interface RoundingResult extends EncodedMatrix {
  /** What somebody should know. */
  readonly note?: string | undefined;
}
