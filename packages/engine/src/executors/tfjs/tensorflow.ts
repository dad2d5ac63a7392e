import type * as tfjs from "@tensorflow/tfjs-core";
import type { HostTensor } from "@vlmopt/models";

/** TensorFlow.js, whichever of its packages brings it. */
export type TensorFlow = typeof tfjs;

export type Tensor = tfjs.Tensor;

/** Stands for −∞ in scores: a row of nothing else has a softmax then, and what it multiplies stays a number. */
export const MASKED = -1e30;

/** A tensor of the host's numbers, a mask's −∞ made finite. */
export function tensorOf(tf: TensorFlow, { shape, data }: HostTensor): Tensor {
  if (data instanceof Int32Array) return tf.tensor(data, [...shape], "int32");
  const finite = data.includes(Number.NEGATIVE_INFINITY) ? data.map((x) => Math.max(x, MASKED)) : data;
  return tf.tensor(finite, [...shape], "float32");
}
