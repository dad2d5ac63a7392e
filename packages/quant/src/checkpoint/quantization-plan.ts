import type { ConfigEdit } from "@vlmopt/models";
import type { Scheme } from "../formats/scheme.ts";

/** What a quantization will do, as plain data: print it, save it, diff it, apply it later. */
export interface QuantizationPlan {
  readonly version: 1;
  /** How it was made: scheme, preset, exceptions. */
  readonly made: Readonly<Record<string, string | number | boolean>>;
  /** Weights that are quantized; each tensor is in one group at most. */
  readonly groups: readonly SchemeGroup[];
  /** Linears that stay as they are, and why. */
  readonly kept: readonly KeptGroup[];
  /** What could not be done as it was asked, or is not loaded everywhere, in sentences. */
  readonly notes: readonly string[];
  /** Weights that executors join to one matrix, in formats whose scale of a whole matrix must then be the same for all of them. */
  readonly joined: readonly (readonly string[])[];
  /** Changes of config.json. */
  readonly config: readonly ConfigEdit[];
  readonly before: QuantizedSize;
  readonly after: QuantizedSize;
}

export interface SchemeGroup {
  readonly scheme: Scheme;
  readonly tensors: readonly string[];
}

export interface KeptGroup {
  readonly reason: string;
  readonly tensors: readonly string[];
}

export interface QuantizedSize {
  /** Bytes of all tensors. */
  readonly bytes: number;
  /** Bits for each weight of the linears that are quantized, scales and all. */
  readonly bitsPerWeight: number;
}
