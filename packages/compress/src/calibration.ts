import type { CalibrationWalk, LinearAlgebra } from "@vlmopt/models";

/** A model that reads data while it is compressed, as @vlmopt/engine runs it, or a fake of it. */
export interface Calibration {
  /** Opens a walk through the model without those layers. */
  walk(dropped: readonly number[]): Promise<CalibrationWalk>;
  /** Of each layer that can begin a run of `span`: mean of 1 − cosine between the streams before it and behind the run. */
  distances(span: number): Promise<ArrayLike<number>>;
  /** What the data is, for records: its source, items, tokens. */
  readonly about: Readonly<Record<string, string | number>>;
  /** Equal for equal data: an interrupted compression goes on with no other. */
  readonly fingerprint: string;
  readonly algebra?: LinearAlgebra | undefined;
}

/** What became of a block. */
export interface BlockReport {
  readonly layer: number;
  /** `norm` is the final norm, behind the last layer. */
  readonly kind: "attention" | "mlp" | "norm";
  /** Units that stay, where some go: heads or neurons. */
  readonly units?: { readonly before: number; readonly after: number };
  /** The stream error before the last linear was fitted, with the old weights of the units that stay. */
  readonly unfittedError?: number;
  /** Of the final norm, whose gain was fitted: mean negative log-likelihood of the tokens held out, in nats. */
  readonly loss?: { readonly before: number; readonly after: number };
  /** Pull towards the old weights that was used. */
  readonly lambda?: number;
  /** There were fewer tokens than columns, so that the pull alone decides part of the weights. */
  readonly underdetermined?: boolean;
  /** ‖compressed − dense‖² / ‖dense‖² of the residual stream behind the block, over tokens held out. */
  readonly streamError: number;
  /** Linears that were quantized. */
  readonly linears?: readonly LinearReport[];
}

/** What quantizing a linear cost. Errors are Σ ‖(W − Q)·x‖² / Σ ‖W·x‖² over the tokens. */
export interface LinearReport {
  readonly name: string;
  readonly method: string;
  /** If its format had rounded it without data. */
  readonly nearest: number;
  readonly error: number;
}
