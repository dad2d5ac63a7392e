/**
 * A matrix as whole numbers in groups: weight = (code − zero) · scale of its group. What rounding to nearest and methods with data make, and
 * what formats pack.
 */
export interface IntegerWeights {
  readonly bits: 2 | 3 | 4 | 8;
  readonly rows: number;
  readonly columns: number;
  /** Weights of a row under one scale; it divides the columns. */
  readonly groupSize: number;
  /** `[rows, columns]`, a code a byte, from 0 to 2^bits − 1. */
  readonly codes: Uint8Array;
  /** `[rows, columns / groupSize]`, each as its file will hold it. */
  readonly scales: Float32Array;
  /** `[rows, columns / groupSize]`; without them, zero is 2^(bits − 1). */
  readonly zeroPoints?: Uint8Array;
}
