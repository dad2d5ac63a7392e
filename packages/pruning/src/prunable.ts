import type { TensorSpec } from "@vlmopt/tensor-io";

/** A linear by the names of its tensors. */
export interface PrunableLinear {
  readonly weight: string;
  readonly bias?: string | undefined;
}

/** The tensors of an MLP: gated, where neuron i is row i of gate and up and column i of down; plain, where it is row i of fc1. */
export type PrunableMlp =
  | {
      readonly kind: "gated";
      readonly gateProj: PrunableLinear;
      readonly upProj: PrunableLinear;
      readonly downProj: PrunableLinear;
    }
  | { readonly kind: "plain"; readonly fc1: PrunableLinear; readonly fc2: PrunableLinear };

/** The tensors of an attention block and how its heads lie in them. */
export interface PrunableAttention {
  readonly qProj: PrunableLinear;
  readonly kProj: PrunableLinear;
  readonly vProj: PrunableLinear;
  readonly oProj: PrunableLinear;
  readonly numHeads: number;
  readonly numKvHeads: number;
  readonly headDim: number;
}

/** A decoder layer, as `describeModel` of @vlmopt/models gives it or as written by hand. */
export interface PrunableLayer {
  readonly mlp?: PrunableMlp;
  readonly attention?: PrunableAttention;
  /** Names of all its tensors, in the same order in every layer; needed to drop layers. */
  readonly weights?: readonly string[];
}

/** A request that the model cannot meet. */
export class PruningError extends Error {
  override readonly name = "PruningError";
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** The linears into which neurons write (a row each), and those that read them (a column each). */
export function neuronLinears(mlp: PrunableMlp): {
  rows: readonly PrunableLinear[];
  columns: readonly PrunableLinear[];
} {
  return mlp.kind === "gated"
    ? { rows: [mlp.gateProj, mlp.upProj], columns: [mlp.downProj] }
    : { rows: [mlp.fc1], columns: [mlp.fc2] };
}

/** Neurons of an MLP: rows of the first linear that writes them. */
export function neuronCount(tensors: ReadonlyMap<string, TensorSpec>, mlp: PrunableMlp): number {
  return tensors.get(neuronLinears(mlp).rows[0]?.weight ?? "")?.shape[0] ?? 0;
}
