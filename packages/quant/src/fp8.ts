import { fromFloat32, toFloat32 } from "@vlmopt/tensor-io/browser";
import { largestMagnitude } from "./codebook-kernels.ts";
import { storableScales } from "./group-scales.ts";
import { droppedBits, shorten } from "./round-float.ts";
import { assertFinite, type FloatDtype, type StoredWeights } from "./weights.ts";

/** Largest number of E4M3. */
const LARGEST = 448;

/** A matrix as 8-bit floats (OCP E4M3), one scale for each row. */
export interface Fp8Weights {
  readonly columns: number;
  /** Uint8 [rows, columns]. */
  readonly codes: Uint8Array;
  /** `[rows]`, each a number of the weights' dtype. */
  readonly scales: Float32Array;
}

/**
 * absmax / 448 for each row, bit for bit as compressed-tensors does in arithmetic of the weights' dtype (0.20, `calculate_qparams`, `quantize`).
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 */
export function encodeFp8({ dtype, bytes }: StoredWeights, columns: number): Fp8Weights {
  const weights = toFloat32(bytes, dtype);
  const rows = weights.length / columns;
  const rowOf = (row: number) => weights.subarray(row * columns, (row + 1) * columns);
  const largest = Float32Array.from({ length: rows }, (_, row) => largestMagnitude(rowOf(row)));
  if (!largest.every(Number.isFinite)) assertFinite(weights, 0);
  const scales = storableScales(
    dtype,
    largest.map((magnitude) => magnitude / LARGEST),
    0,
  );
  const drop = droppedBits[dtype];
  const scaled = weights.slice();
  for (let row = 0, i = 0; row < rows; row++) {
    const scale = scales[row] as number;
    for (const end = i + columns; i < end; i++) {
      const quotient = shorten((weights[i] as number) / scale, drop);
      scaled[i] = Math.max(-LARGEST, Math.min(LARGEST, quotient));
    }
  }
  return { columns, codes: fromFloat32(scaled, "F8_E4M3"), scales };
}

/** The weights as elements of `dtype`: products in float32, rounded to nearest even. */
export function decodeFp8({ columns, codes, scales }: Fp8Weights, dtype: FloatDtype): Uint8Array {
  const weights = toFloat32(codes, "F8_E4M3").slice();
  for (let i = 0; i < weights.length; i++)
    weights[i] = (weights[i] as number) * (scales[Math.floor(i / columns)] as number);
  return fromFloat32(weights, dtype);
}
