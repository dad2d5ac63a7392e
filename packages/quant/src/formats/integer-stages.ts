import type { Stage, TensorSpec } from "@vlmopt/tensor-io";
import { decodeIntegers } from "../decode-integers.ts";
import type { IntegerWeights } from "../integer-weights.ts";
import { type RoundingOptions, roundToNearest } from "../round-to-nearest.ts";
import type { FloatDtype } from "../weights.ts";
import type { Encoding, StoredIntegers } from "./format.ts";
import type { IntegerLayout, LoadedWeight } from "./quantized-weight.ts";

/**
 * Rounds a matrix's rows to nearest as they come, and packs it when it is whole.
 * @param outputs how many tensors `pack` makes
 */
export function roundingStage(
  tensor: TensorSpec,
  options: RoundingOptions,
  { measure }: Encoding,
  outputs: number,
  pack: (weights: IntegerWeights, tensor: TensorSpec) => Uint8Array[],
): Stage {
  const [rows, columns] = tensor.shape as [number, number];
  const { bits, groupSize, zeroPoints } = options;
  const groups = columns / groupSize;
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groups);
  const zeros = zeroPoints ? new Uint8Array(rows * groups) : undefined;
  const nothing = Array.from({ length: outputs }, () => new Uint8Array(0));
  return {
    push(bytes, firstRow) {
      const weights = { dtype: tensor.dtype as FloatDtype, bytes };
      const rounded = roundToNearest(weights, columns, options);
      measure(weights, () => decodeIntegers(rounded, "F32"));
      codes.set(rounded.codes, firstRow * columns);
      scales.set(rounded.scales, firstRow * groups);
      if (rounded.zeroPoints !== undefined) zeros?.set(rounded.zeroPoints, firstRow * groups);
      return nothing;
    },
    finish() {
      const whole = { bits, rows, columns, groupSize, codes, scales };
      return pack(zeros === undefined ? whole : { ...whole, zeroPoints: zeros }, tensor);
    },
  };
}

/** Decodes rows as they come. */
export function decodingRows(
  { shape: [rows = 1, columns = 1], layout }: LoadedWeight,
  stored: StoredIntegers,
  target: FloatDtype,
): Stage {
  const { bits, groupSize } = layout as IntegerLayout;
  const { scales, zeroPoints } = stored;
  const groups = scales.length / rows;
  return {
    push(bytes, firstRow) {
      const codes = stored.codes(bytes);
      const some = codes.length / columns;
      const [first, end] = [firstRow * groups, (firstRow + some) * groups];
      const whole = {
        bits,
        rows: some,
        columns,
        groupSize,
        codes,
        scales: scales.subarray(first, end),
        ...(zeroPoints === undefined ? {} : { zeroPoints: zeroPoints.subarray(first, end) }),
      };
      return [decodeIntegers(whole, target)];
    },
  };
}
