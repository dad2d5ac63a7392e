/** Element types of the weights that encoders take and decoders give. */
export type FloatDtype = "F32" | "F16" | "BF16";

/** Weights as a file stores them: little-endian, row-major. */
export interface StoredWeights {
  readonly dtype: FloatDtype;
  readonly bytes: Uint8Array;
}

export type Weights = Float32Array | StoredWeights;

/** The same weights as stored bytes, without a copy. */
export function storedWeights(weights: Weights): StoredWeights {
  return weights instanceof Float32Array
    ? { dtype: "F32", bytes: new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength) }
    : weights;
}

export function elementBytes(dtype: FloatDtype): number {
  return dtype === "F32" ? 4 : 2;
}

export function weightCount({ dtype, bytes }: StoredWeights): number {
  return bytes.byteLength / elementBytes(dtype);
}

/** Weights `[begin, end)`. */
export function sliceWeights({ dtype, bytes }: StoredWeights, begin: number, end: number): StoredWeights {
  const size = elementBytes(dtype);
  return { dtype, bytes: bytes.subarray(begin * size, end * size) };
}

/** A weight is infinite or not a number, and no scale can hold it. */
export class NonFiniteWeightError extends Error {
  override readonly name = "NonFiniteWeightError";
  /** Place of the first such weight, counted from the first weight given. */
  readonly index: number;
  readonly value: number;

  constructor(index: number, value: number) {
    super(`weight ${index} is ${value}, which cannot be quantized`);
    this.index = index;
    this.value = value;
  }
}

/** @throws {NonFiniteWeightError} for the first weight that is infinite or NaN; `first` is the index of `weights[0]`. */
export function assertFinite(weights: Float32Array, first: number): void {
  const wrong = weights.findIndex((weight) => !Number.isFinite(weight));
  if (wrong !== -1) throw new NonFiniteWeightError(first + wrong, weights[wrong] as number);
}

/** @throws {RangeError} unless groups of `groupSize` fill `count` weights. */
export function assertWholeGroups(count: number, groupSize: number): void {
  if (Number.isInteger(groupSize) && groupSize > 0 && count % groupSize === 0) return;
  throw new RangeError(`groups of ${groupSize} do not divide ${count} weights: choose a size that does`);
}
