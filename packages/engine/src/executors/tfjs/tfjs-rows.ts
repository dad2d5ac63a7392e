// Rows that are read and written by their numbers. TensorFlow.js derives a gather by a kernel that its WebAssembly and WebGPU backends lack, and
// a scatter not at all; each is the other's derivative.
import type { Tensor, TensorFlow } from "./tensorflow.ts";

/** Rows of a table `[count, features]`: rows `[n]` → `[n, features]`. */
export function gatherRows(tf: TensorFlow, table: Tensor, rows: Tensor): Tensor {
  const [count = 0] = table.shape;
  return withRows(
    tf,
    table,
    rows,
    (x, at) => tf.gather(x, at as Indices),
    (dy, at) => scatterRows(tf, dy, at, count),
  );
}

/** Zeros `[count, features]` to which values `[n, features]` are added in the rows `[n]`; equal rows sum up. */
export function scatterRows(tf: TensorFlow, values: Tensor, rows: Tensor, count: number): Tensor {
  const features = values.shape.at(-1) as number;
  return withRows(
    tf,
    values,
    rows,
    (x, at) => tf.scatterND(tf.reshape(at, [-1, 1]), x, [count, features]),
    (dy, at) => gatherRows(tf, dy, at),
  );
}

/** A function of x with its derivative. Rows are saved for it, since TensorFlow.js disposes of whatever is not. */
function withRows(
  tf: TensorFlow,
  x: Tensor,
  rows: Tensor,
  value: (x: Tensor, rows: Tensor) => Tensor,
  derivative: (dy: Tensor, rows: Tensor) => Tensor,
): Tensor {
  type Save = (tensors: Tensor[]) => void;
  return tf.customGrad((...given) => {
    const [own, save] = given as unknown as [Tensor, Save];
    save([rows]);
    return {
      value: value(own, rows),
      gradFunc: (dy: Tensor, saved: Tensor[]) => derivative(dy, saved[0] as Tensor),
    };
  })(x);
}

/** The type of indices that `gather` names. */
type Indices = Parameters<TensorFlow["gather"]>[1] & Tensor;
