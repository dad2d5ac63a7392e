import { encodeInt4, type Int4Options } from "./int4.ts";
import { encodeInt8, type Int8Options } from "./int8.ts";
import type { IntegerWeights } from "./integer-weights.ts";
import { type FloatDtype, storedWeights, type Weights, weightCount } from "./weights.ts";

export interface RoundingOptions {
  readonly bits: IntegerWeights["bits"];
  /** Weights of a row under one scale. */
  readonly groupSize: number;
  /** Whole ones; without, zero is in the middle. */
  readonly zeroPoints?: boolean;
  /** See `Int4Options` and, for 8 bits, `Int8Options`. */
  readonly scales?: Int4Options["scales"] | Int8Options["scales"];
  /** What scales are rounded to before numbers are chosen; the weights' dtype unless told. */
  readonly scaleDtype?: FloatDtype;
  /** See `Int4Options`. */
  readonly lowestZeroPoint?: 0 | 1;
}

/**
 * A matrix rounded to nearest, group by group.
 * @param columns of a row
 * @throws {NonFiniteWeightError} for infinite weights and NaN
 */
export function roundToNearest(
  weights: Weights,
  columns: number,
  { bits, groupSize, zeroPoints = false, scales, scaleDtype, lowestZeroPoint }: RoundingOptions,
): IntegerWeights {
  const matrix = { bits, rows: weightCount(storedWeights(weights)) / columns, columns, groupSize };
  const dtype = scaleDtype === undefined ? {} : { scaleDtype };
  if (bits === 8) {
    const rule = scales as Int8Options["scales"];
    const encoded = encodeInt8(weights, {
      groupSize,
      ...dtype,
      ...(rule === undefined ? {} : { scales: rule }),
    });
    const { numbers } = encoded;
    const codes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.length).map(
      (byte) => byte ^ 0x80,
    );
    return { ...matrix, codes, scales: encoded.scales };
  }
  const rule = scales as Int4Options["scales"];
  const encoded = encodeInt4(weights, {
    groupSize,
    zeroPoints: zeroPoints ? "whole" : "none",
    ...dtype,
    ...(rule === undefined ? {} : { scales: rule }),
    ...(lowestZeroPoint === undefined ? {} : { lowestZeroPoint }),
  });
  const codes = halves(encoded.codes, encoded.count);
  return {
    ...matrix,
    codes,
    scales: encoded.scales,
    ...(zeroPoints ? { zeroPoints: encoded.zeroPoints as Uint8Array } : {}),
  };
}

function halves(bytes: Uint8Array, count: number): Uint8Array {
  const codes = new Uint8Array(count);
  for (let i = 0; i < count; i++) codes[i] = ((bytes[i >> 1] as number) >> ((i & 1) << 2)) & 15;
  return codes;
}
