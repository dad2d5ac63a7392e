import { fromFloat32 } from "@vlmopt/tensor-io";
import type { FloatDtype, StoredWeights } from "../weights.ts";
import { bell } from "./inputs.ts";

/** Goldens by tools/reference/quant_integers.py. */
export interface IntegerGolden {
  readonly random: readonly {
    readonly dtype: FloatDtype;
    readonly rows: number;
    readonly columns: number;
    readonly seed: number;
    readonly largest: number;
    readonly bits: 4 | 8;
    readonly groupSize: number;
    readonly symmetric: boolean;
    readonly codes: string;
    readonly scales: string;
    readonly zeroPoints: string;
    readonly packedZeroPoints: string;
    readonly decoded: string;
  }[];
  readonly exhaustive: readonly {
    readonly dtype: FloatDtype;
    readonly largest: number;
    readonly bits: 4 | 8;
    readonly groupSize: number;
    readonly symmetric: boolean;
    readonly codes: string;
  }[];
  readonly matMulNBits: readonly {
    readonly dtype: FloatDtype;
    readonly count: number;
    readonly groupSize: number;
    readonly codes: string;
    readonly scales: string;
  }[];
}

type CompressedTensorsCase = Pick<
  IntegerGolden["random"][number],
  "dtype" | "rows" | "columns" | "seed" | "largest" | "groupSize"
>;

/** Of a bell's weights, scaled, the first group is made zeros and the last one positive. */
export function compressedTensorsInput({
  dtype,
  rows,
  columns,
  seed,
  largest,
  groupSize,
}: CompressedTensorsCase): StoredWeights {
  const weights = bell(rows * columns, seed).map((weight) => weight * largest);
  weights.fill(0, 0, groupSize);
  const last = weights.length - groupSize;
  weights.set(weights.subarray(last).map(Math.abs), last);
  return { dtype, bytes: fromFloat32(weights, dtype) };
}

/** Of a bell's weights the first group is made zeros, the second begins with its extremes, the third is full of ties. */
export function onnxRuntimeInput(dtype: FloatDtype, count: number, groupSize: number): StoredWeights {
  const weights = bell(count, groupSize);
  weights.fill(0, 0, groupSize);
  weights.set([3.5, -3.5], groupSize);
  const third = weights.subarray(2 * groupSize, 3 * groupSize);
  third.set(third.map((weight) => roundHalfEven(weight * 8) / 8));
  return { dtype, bytes: fromFloat32(weights, dtype) };
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}
