import type { InputStatistics, LinearAlgebra } from "@vlmopt/models";
import type { Statistic } from "./segment-statistics.ts";

/** What goes: single neurons of an MLP, or query heads (with `groups`: key-value heads and the query heads that share them). */
export type UnitKind = "neurons" | "heads";

/**
 * A way of scoring units; those of higher score stay. A new one is a file beside this one and a line in `unit-scorers.ts`, or an object given
 * in place of a name.
 */
export type UnitScorer = WeightScorer | ActivationScorer;

interface NamedScorer {
  readonly name: string;
  /** The formula in a line, for help and tables. */
  readonly summary: string;
  readonly units: readonly UnitKind[];
}

/** Needs the checkpoint alone. */
export interface WeightScorer extends NamedScorer {
  readonly needs: "weights";
  /** Statistics of what writes the units: a row of gate and of up, or of fc1, for each neuron. */
  readonly rows?: Statistic;
  /** Whether the columns of the closing linear are wanted. */
  readonly columns?: true;
  score(figures: WeightFigures): ArrayLike<number>;
}

export interface WeightFigures {
  /** Units. */
  readonly count: number;
  /** Of each linear that writes the units, by unit: `values` `[count, statisticSizes[statistic]]`, over `length` elements. */
  readonly rows: readonly { readonly values: Float64Array; readonly length: number }[];
  /** Moments of each unit's columns of the closing linear `[count, 3]`: sum, sum of squares, sum of magnitudes. */
  readonly columns: Float64Array;
  readonly random: () => number;
}

/** Needs what a model computed from calibration data. */
export interface ActivationScorer extends NamedScorer {
  readonly needs: "activations";
  /** Whether the Gram matrix of the closing linear's input is wanted. */
  readonly gram?: true;
  score(figures: ActivationFigures): ArrayLike<number> | Promise<ArrayLike<number>>;
}

/** A unit is `size` neighbouring columns of the closing linear (down_proj, fc2 or o_proj): 1 for a neuron, the head's size for a head. */
export interface ActivationFigures {
  readonly count: number;
  readonly size: number;
  /** Units that will stay, of each part. */
  readonly keep: number;
  /** The units fall into so many equal parts of neighbours, each of which loses the same number: key-value groups; 1 otherwise. */
  readonly parts: number;
  /** The closing linear's weight `[outFeatures, count · size]`. */
  readonly weight: Float32Array;
  readonly outFeatures: number;
  /** Of its input. */
  readonly inputs: InputStatistics;
  /** Default: the one that runs everywhere. */
  readonly algebra?: LinearAlgebra | undefined;
}

/** Σ over the columns of each unit of `of(column)`. */
export function sumByUnit(
  { count, size }: Pick<ActivationFigures, "count" | "size">,
  of: (column: number) => number,
): Float64Array {
  const scores = new Float64Array(count);
  for (let unit = 0; unit < count; unit++) {
    let sum = 0;
    for (let column = unit * size; column < (unit + 1) * size; column++) sum += of(column);
    scores[unit] = sum;
  }
  return scores;
}

/** Of each column of the weight, Σ over its elements of `of(element)`. */
export function sumByColumn(
  { count, size, weight, outFeatures }: ActivationFigures,
  of: (element: number) => number,
): Float64Array {
  const columns = count * size;
  const sums = new Float64Array(columns);
  for (let row = 0; row < outFeatures; row++) {
    const start = row * columns;
    for (let column = 0; column < columns; column++) {
      sums[column] = (sums[column] as number) + of(weight[start + column] as number);
    }
  }
  return sums;
}
