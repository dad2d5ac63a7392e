import type { Activation, Ops } from "@vlmopt/models";
import type { Tensor, TensorFlow } from "./tensorflow.ts";
import { attend, attendCached, receivedAttention, relativeScores } from "./tfjs-attention.ts";
import type { TfjsStep } from "./tfjs-cache.ts";
import { gatherRows, scatterRows } from "./tfjs-rows.ts";

/**
 * The operations as functions of tensors, so that TensorFlow.js can derive a whole pass. Tensors in between are the caller's to dispose of, by
 * `tf.tidy`.
 * @param weightNamed as the checkpoint stores it, in F32
 */
export function tfjsOps(tf: TensorFlow, weightNamed: (name: string) => Tensor, step?: TfjsStep): Ops<Tensor> {
  const optional = (name: string | undefined) => (name === undefined ? undefined : weightNamed(name));
  const scaled = (x: Tensor, weight: Tensor | undefined, bias: Tensor | undefined) => {
    const product = weight === undefined ? x : tf.mul(x, weight);
    return bias === undefined ? product : tf.add(product, bias);
  };
  const linear = (x: Tensor, weight: Tensor, bias: Tensor | undefined, transposed: boolean) => {
    const out = (transposed ? weight.shape[1] : weight.shape[0]) as number;
    const matrix = weight.shape.length === 2 ? weight : tf.reshape(weight, [out, -1]);
    const product = tf.matMul(rowsOf(tf, x), matrix as typeof weight, false, !transposed);
    return tf.reshape(scaled(product, undefined, bias), [...x.shape.slice(0, -1), out]);
  };
  const rmsNorm = (x: Tensor, weight: Tensor, eps: number) => {
    const meanSquare = tf.mean(tf.square(x), -1, true);
    return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, eps))), weight);
  };
  return {
    embed: (ids, table) => {
      const found = gatherRows(tf, weightNamed(table), tf.reshape(ids, [-1]));
      return tf.reshape(found, [...ids.shape, found.shape[1] as number]);
    },
    weight: (name, shape) => tf.reshape(weightNamed(name), [...shape]),
    linear: (x, weight, bias) => linear(x, weightNamed(weight), optional(bias), false),
    linearTransposed: (x, weight, bias) => linear(x, weightNamed(weight), weightNamed(bias), true),
    layerNorm(x, eps, weight, bias) {
      const centered = tf.sub(x, tf.mean(x, -1, true));
      const variance = tf.mean(tf.square(centered), -1, true);
      const normed = tf.mul(centered, tf.rsqrt(tf.add(variance, eps)));
      return scaled(normed, optional(weight), optional(bias));
    },
    rmsNorm(x, weight, eps, offset) {
      const w = weightNamed(weight);
      return rmsNorm(x, offset === 0 ? w : tf.add(w, offset), eps);
    },
    headRmsNorm(x, weight, eps, heads) {
      const ofHeads = tf.reshape(x, [-1, featuresOf(x) / heads]);
      return tf.reshape(rmsNorm(ofHeads, weightNamed(weight), eps), x.shape);
    },
    activate: (x, activation) => activate(tf, x, activation),
    gated: (gate, up, activation) => tf.mul(activate(tf, gate, activation), up),
    tanh: (x) => tf.tanh(x),
    add: (a, b) => tf.add(a, b),
    scale: (x, factor) => tf.mul(x, factor),
    rotate(x, { cos, sin }, heads) {
      const half = featuresOf(x) / heads / 2;
      const count = cos.size / half;
      const [c, s] = [tf.reshape(cos, [count, 1, half]), tf.reshape(sin, [count, 1, half])];
      const [a, b] = tf.split(tf.reshape(x, [count, heads, 2 * half]), 2, 2) as [Tensor, Tensor];
      const turned = [tf.sub(tf.mul(a, c), tf.mul(b, s)), tf.add(tf.mul(b, c), tf.mul(a, s))];
      return tf.reshape(tf.concat(turned, 2), x.shape);
    },
    attention: (q, k, v, shape, bias) => attend(tf, q, k, v, shape, bias),
    relativeScores: (q, k, relative, shape, bias) => relativeScores(tf, q, k, relative, shape, bias),
    cachedAttention(q, k, v, shape, bias) {
      if (step === undefined) throw new TypeError("this pass needs a cache");
      return attendCached(tf, q, k, v, shape, step, bias);
    },
    receivedAttention: (q, k, shape, rows, bias) => receivedAttention(tf, q, k, shape, rows, bias),
    headMean(x, heads) {
      const [batch = 1, tokens = 1, features = 1] = x.shape;
      return tf.mean(tf.reshape(x, [batch, tokens, heads, features / heads]), 2);
    },
    rowProducts: (a, b) => tf.matMul(a, b, false, true),
    mixRows: (shares, x) => tf.matMul(shares, x),
    patches: (pixels, weight, patchSize, bias) =>
      linear(unfold(tf, pixels, patchSize), weightNamed(weight), optional(bias), false),
    prepend(x, rows) {
      const [batch = 1, , features = 1] = x.shape;
      return tf.concat([repeated(tf, tf.reshape(rows, [1, -1, features]), batch), x], 1);
    },
    repeat(rows, like) {
      const [count, features] = rows.shape.slice(-2) as [number, number];
      return repeated(tf, tf.reshape(rows, [1, count, features]), like.shape[0] as number);
    },
    tokensFrom: (x, first) => tf.slice(x, [0, first, 0], [-1, -1, -1]),
    split: (x, parts) => tf.split(x, parts, -1),
    join: (parts) => tf.concat([...parts], -1),
    stack(parts) {
      const rows = tf.concat(
        parts.map((part) => rowsOf(tf, part)),
        0,
      );
      return tf.expandDims(rows, 0);
    },
    regroup: (x, features) => tf.reshape(x, [1, x.size / features, features]),
    takeRows(x, rows) {
      const features = featuresOf(x);
      if (rows.size === 0) return tf.zeros([1, 0, features]);
      return tf.expandDims(gatherRows(tf, rowsOf(tf, x), rows), 0);
    },
    putRows(x, values, rows, how) {
      if (rows.size === 0) return x;
      const count = x.size / featuresOf(x);
      const put = tf.reshape(scatterRows(tf, rowsOf(tf, values), rows, count), x.shape);
      if (how === "add") return tf.add(x, put);
      const places = scatterRows(tf, tf.ones([rows.size, 1]), rows, count);
      const kept = tf.reshape(tf.sub(1, places), [...x.shape.slice(0, -1), 1]);
      return tf.add(tf.mul(x, kept), put);
    },
    blendRows(table, ids, weights) {
      const [count = 0, taps = 0] = ids.shape;
      const found = gatherRows(tf, weightNamed(table), tf.reshape(ids, [-1]));
      const rows = tf.reshape(found, [count, taps, featuresOf(found)]);
      return tf.expandDims(tf.sum(tf.mul(rows, tf.reshape(weights, [count, taps, 1])), 1), 0);
    },
    target() {},
  };
}

function activate(tf: TensorFlow, x: Tensor, activation: Activation): Tensor {
  switch (activation) {
    case "silu":
      return tf.mul(x, tf.sigmoid(x));
    case "quick-gelu":
      return tf.mul(x, tf.sigmoid(tf.mul(x, 1.702)));
    case "gelu":
      return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
    case "gelu-tanh": {
      const cubic = tf.mul(tf.mul(tf.square(x), x), 0.044715);
      const inner = tf.mul(tf.add(x, cubic), Math.sqrt(2 / Math.PI));
      return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
    }
    case "relu":
      return tf.relu(x);
  }
}

function featuresOf(x: Tensor): number {
  return x.shape.at(-1) ?? 1;
}

/** All vectors of the last axis, below each other. */
function rowsOf(tf: TensorFlow, x: Tensor): Tensor {
  return tf.reshape(x, [x.size / featuresOf(x), featuresOf(x)]);
}

/** `[1, rows, features]`, once for each batch. */
function repeated(tf: TensorFlow, rows: Tensor, batch: number): Tensor {
  return batch === 1 ? rows : tf.tile(rows, [batch, 1, 1]);
}

/** Each patch's numbers in a row: `[n, c, h, w]` → `[n, patches, c · size · size]`. */
function unfold(tf: TensorFlow, pixels: Tensor, size: number): Tensor {
  const [count = 1, channels = 1, height = 1, width = 1] = pixels.shape;
  const [down, across] = [Math.floor(height / size), Math.floor(width / size)];
  const whole =
    height === down * size && width === across * size
      ? pixels
      : tf.slice(pixels, [0, 0, 0, 0], [count, channels, down * size, across * size]);
  const pieces = tf.transpose(
    tf.reshape(whole, [count, channels, down, size, across, size]),
    [0, 2, 4, 1, 3, 5],
  );
  return tf.reshape(pieces, [count, down * across, channels * size * size]);
}
