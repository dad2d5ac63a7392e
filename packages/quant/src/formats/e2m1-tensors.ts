// What the files of NVFP4 and MXFP4 have in common.
import type { Checkpoint, Stage, TensorInfo } from "@vlmopt/tensor-io";
import { QuantizationError } from "../checkpoint/quantization-error.ts";
import type { E2m1Weights } from "../e2m1.ts";
import type { LoadedWeight } from "./quantized-weight.ts";
import { companion } from "./weight-tensors.ts";

export function fittingFloats<S>(scheme: S, groupSize: number, columns: number): S | string {
  return columns % groupSize === 0
    ? scheme
    : `groups of ${groupSize} do not divide rows of ${columns} weights`;
}

interface PackedFloats {
  readonly name: string;
  readonly shape: readonly [rows: number, columns: number];
  /** Name of the tensor of scales. */
  readonly scale: string;
}

/**
 * Pairs of 4-bit floats with scales of a dtype.
 * @throws {QuantizationError} where scales do not fit them, or are of neither format
 */
export function packedFloats(
  source: Checkpoint,
  { name, dtype, shape }: TensorInfo,
  scaleDtype: "F8_E4M3" | "U8",
  groupSize: number,
): PackedFloats | undefined {
  if (!name.endsWith(".weight_packed") || dtype !== "U8" || shape.length !== 2) return undefined;
  const weight = name.replace(/_packed$/, "");
  const scale = companion(source, name, `${weight}_scale`);
  const [rows, columns] = [shape[0] as number, (shape[1] as number) * 2];
  const fits = scale.shape[0] === rows && scale.shape[1] === columns / groupSize;
  if (scale.dtype === scaleDtype && fits) return { name: weight, shape: [rows, columns], scale: scale.name };
  if (scale.dtype !== scaleDtype && (scale.dtype === "F8_E4M3" || scale.dtype === "U8")) return undefined;
  throw new QuantizationError(
    `${scale.name}, ${scale.dtype} [${scale.shape}], is no scale of NVFP4 or MXFP4 for ${name} [${shape}]: other formats are not read`,
  );
}

/** Decodes rows of pairs, with the scales of these rows. */
export function decodingPairs(
  { shape, beside }: LoadedWeight,
  decode: (encoded: E2m1Weights) => Uint8Array,
): Stage {
  const stored = beside.scales as Uint8Array;
  const groupsPerRow = stored.length / (shape[0] as number);
  const rowBytes = (shape[1] as number) / 2;
  return {
    push(codes, firstRow) {
      const first = firstRow * groupsPerRow;
      const scales = stored.subarray(first, first + (codes.length / rowBytes) * groupsPerRow);
      return [decode({ count: codes.length * 2, codes, scales })];
    },
  };
}
