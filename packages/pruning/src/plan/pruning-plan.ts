import type { ConfigEdit } from "@vlmopt/models";
import type { IndexRanges } from "./index-ranges.ts";

/**
 * What a pruning will do, as plain data: print it, save it, diff it, apply it later. It names the tensors that it touches, so that
 * applying it needs no knowledge of models.
 */
export interface PruningPlan {
  readonly version: 1;
  /** How it was made: methods, ratios, seed. */
  readonly made: Readonly<Record<string, string | number>>;
  readonly cuts: readonly Cut[];
  /** Tensors that go. */
  readonly drop: readonly string[];
  /** Tensors that change places, where layers before them went: old name → new name. */
  readonly rename: Readonly<Record<string, string>>;
  /** Weights that become zero, in place. */
  readonly sparsity: readonly Sparsity[];
  /** Changes of config.json; none where the plan was made without one. */
  readonly config: readonly ConfigEdit[];
  readonly before: ModelSize;
  readonly after: ModelSize;
}

/** Units that stay, and the tensors from which the others are cut. */
export interface Cut {
  readonly layer: number;
  readonly what: "neurons" | "heads" | "kvHeads";
  /** Units before. */
  readonly count: number;
  /** Units that stay. */
  readonly kept: IndexRanges;
  /** Rows or columns of one unit: 1 for a neuron, the head's size for a head. */
  readonly size: number;
  /** Tensors of which a unit is rows; biases, of which it is elements, among them. */
  readonly rows: readonly string[];
  /** Tensors of which a unit is columns. */
  readonly columns: readonly string[];
}

/** Tensors whose smallest elements, compared over all of them together, become zero. */
export interface Sparsity {
  readonly ratio: number;
  readonly tensors: readonly string[];
}

export interface ModelSize {
  readonly parameters: number;
  /** Bytes of all tensors. */
  readonly bytes: number;
  readonly layers: number;
  /** Neurons, query heads and key-value heads of a layer. */
  readonly neurons: number;
  readonly heads: number;
  readonly kvHeads: number;
  /** Of the layers for one token without context: 2 for each weight of their linears. */
  readonly flopsPerToken: number;
}
