import type { Activation, Ops } from "@vlmopt/models";
import { concatenated } from "../concatenated.ts";
import { attend, attendCached, receivedAttention, relativeScores } from "./plain-attention.ts";
import { featuresOf, type PlainCache, type PlainTensor, rowAt, rowsOf, sizeOf } from "./plain-tensor.ts";

/** The operations, each as its definition reads. */
export function plainOps(weights: ReadonlyMap<string, PlainTensor>, cache?: PlainCache): Ops<PlainTensor> {
  const weightNamed = (name: string): PlainTensor => {
    const found = weights.get(name);
    if (found === undefined) throw new TypeError(`there is no weight ${name}`);
    return found;
  };
  const rmsNorm = (x: PlainTensor, weight: string, eps: number, offset: number) => {
    const w = weightNamed(weight).data;
    return mapRows(x, (row, out) => {
      const inverse = 1 / Math.sqrt(mean(row, (value) => value * value) + eps);
      for (let i = 0; i < row.length; i++)
        out[i] = (row[i] as number) * inverse * ((w[i] as number) + offset);
    });
  };
  const ops: Ops<PlainTensor> = {
    embed: (ids, table) => gather(weightNamed(table), ids.data, ids.shape),
    weight: (name, shape) => ({ shape, data: weightNamed(name).data }),
    linear: (x, weight, bias) =>
      linear(x, weightNamed(weight), bias === undefined ? undefined : weightNamed(bias)),
    linearTransposed: (x, weight, bias) => linear(x, transposed(weightNamed(weight)), weightNamed(bias)),
    layerNorm(x, eps, weight, bias) {
      const w = weight === undefined ? undefined : weightNamed(weight).data;
      const b = bias === undefined ? undefined : weightNamed(bias).data;
      return mapRows(x, (row, out) => {
        const middle = mean(row, (value) => value);
        const inverse = 1 / Math.sqrt(mean(row, (value) => (value - middle) ** 2) + eps);
        for (let i = 0; i < row.length; i++) {
          out[i] = ((row[i] as number) - middle) * inverse * (w?.[i] ?? 1) + (b?.[i] ?? 0);
        }
      });
    },
    rmsNorm,
    headRmsNorm(x, weight, eps, heads) {
      const headDim = featuresOf(x) / heads;
      const normed = rmsNorm({ shape: [sizeOf(x.shape) / headDim, headDim], data: x.data }, weight, eps, 0);
      return { shape: x.shape, data: normed.data };
    },
    activate: (x, activation) => map(x, activations[activation]),
    gated: (gate, up, activation) =>
      map(gate, (value, i) => activations[activation](value) * (up.data[i] as number)),
    tanh: (x) => map(x, Math.tanh),
    add: (a, b) => map(a, (value, i) => value + (b.data[i % b.data.length] as number)),
    scale: (x, factor) => map(x, (value) => value * factor),
    rotate(x, { cos, sin }, heads) {
      const headDim = featuresOf(x) / heads;
      const half = headDim / 2;
      return map(x, (value, i) => {
        const [row, feature] = [Math.floor(i / (heads * headDim)), i % headDim];
        const pair = row * half + (feature % half);
        const other = x.data[feature < half ? i + half : i - half] as number;
        const turned = feature < half ? -other : other;
        return value * (cos.data[pair] as number) + turned * (sin.data[pair] as number);
      });
    },
    attention: attend,
    relativeScores,
    cachedAttention(q, k, v, shape, bias) {
      if (cache === undefined) throw new TypeError("this pass needs a cache");
      return attendCached(q, k, v, shape, cache, bias);
    },
    receivedAttention,
    headMean(x, heads) {
      const headDim = featuresOf(x) / heads;
      const data = new Float32Array(x.data.length / heads);
      for (let i = 0; i < data.length; i++) {
        const first = Math.floor(i / headDim) * featuresOf(x) + (i % headDim);
        const parts = Array.from({ length: heads }, (_, head) => x.data[first + head * headDim] as number);
        data[i] = parts.reduce((sum, part) => sum + part, 0) / heads;
      }
      return { shape: [...x.shape.slice(0, -1), headDim], data };
    },
    rowProducts: (a, b) => linear(a, { shape: b.shape.slice(1), data: b.data }, undefined),
    mixRows: (shares, x) => linear(shares, transposed({ shape: x.shape.slice(1), data: x.data }), undefined),
    patches: (pixels, weight, patchSize, bias) =>
      linear(
        unfold(pixels, patchSize),
        weightNamed(weight),
        bias === undefined ? undefined : weightNamed(bias),
      ),
    prepend(x, rows) {
      const [batch, tokens, features] = x.shape as [number, number, number];
      const parts = Array.from({ length: batch }, (_, b) => [
        rows.data,
        x.data.subarray(b * tokens * features, (b + 1) * tokens * features),
      ]);
      return { shape: [batch, tokens + rowsOf(rows), features], data: concatenated(parts.flat()) };
    },
    repeat(rows, like) {
      const batch = like.shape[0] as number;
      return { shape: [batch, ...rows.shape.slice(-2)], data: concatenated(Array(batch).fill(rows.data)) };
    },
    tokensFrom(x, first) {
      const [batch, tokens, features] = x.shape as [number, number, number];
      const parts = Array.from({ length: batch }, (_, b) =>
        x.data.subarray((b * tokens + first) * features, (b + 1) * tokens * features),
      );
      return { shape: [batch, tokens - first, features], data: concatenated(parts) };
    },
    split(x, parts) {
      const size = featuresOf(x) / parts;
      return Array.from({ length: parts }, (_, part) => {
        const rows = Array.from({ length: rowsOf(x) }, (_, row) =>
          rowAt(x, row).subarray(part * size, (part + 1) * size),
        );
        return { shape: [...x.shape.slice(0, -1), size], data: concatenated(rows) };
      });
    },
    join(parts) {
      const [first] = parts as [PlainTensor];
      const rows = Array.from({ length: rowsOf(first) }, (_, row) => parts.map((part) => rowAt(part, row)));
      const features = parts.reduce((sum, part) => sum + featuresOf(part), 0);
      return { shape: [...first.shape.slice(0, -1), features], data: concatenated(rows.flat()) };
    },
    stack(parts) {
      const features = featuresOf(parts[0] as PlainTensor);
      const data = concatenated(parts.map((part) => part.data));
      return { shape: [1, data.length / features, features], data };
    },
    regroup: (x, features) => ({ shape: [1, sizeOf(x.shape) / features, features], data: x.data }),
    takeRows(x, rows) {
      const flat = { shape: [rowsOf(x), featuresOf(x)], data: x.data };
      return gather(flat, rows.data, [1, rows.data.length]);
    },
    putRows(x, values, rows, how) {
      const data = (x.data as Float32Array).slice();
      const result = { shape: x.shape, data };
      for (const [n, row] of rows.data.entries()) {
        const [target, source] = [rowAt(result, row), rowAt(values, n)];
        for (let i = 0; i < source.length; i++) {
          target[i] = (how === "add" ? (target[i] as number) : 0) + (source[i] as number);
        }
      }
      return result;
    },
    blendRows(table, ids, shares) {
      const rows = weightNamed(table);
      const [count, taps] = ids.shape as [number, number];
      const result = {
        shape: [1, count, featuresOf(rows)],
        data: new Float32Array(count * featuresOf(rows)),
      };
      for (let n = 0; n < count * taps; n++) {
        const [target, source] = [rowAt(result, Math.floor(n / taps)), rowAt(rows, ids.data[n] as number)];
        for (let i = 0; i < source.length; i++) {
          target[i] = (target[i] as number) + (shares.data[n] as number) * (source[i] as number);
        }
      }
      return result;
    },
    target() {},
  };
  return ops;
}

const activations: Readonly<Record<Activation, (x: number) => number>> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  "quick-gelu": (x) => x / (1 + Math.exp(-1.702 * x)),
  gelu: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  "gelu-tanh": (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu: (x) => Math.max(x, 0),
};

/** Error function: its series near zero, its continued fraction (Abramowitz & Stegun 7.1.6, 7.1.14) elsewhere. */
function erf(x: number): number {
  const size = Math.abs(x);
  if (size > 6) return Math.sign(x);
  if (size < 2.5) {
    let [term, sum] = [size, size];
    for (let n = 1; n < 60; n++) {
      term *= (2 * size * size) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * Math.exp(-size * size) * sum;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-size * size) / (Math.sqrt(Math.PI) * fraction));
}

function map(x: PlainTensor, change: (value: number, index: number) => number): PlainTensor {
  return { shape: x.shape, data: Float32Array.from(x.data, change) };
}

function mapRows(x: PlainTensor, change: (row: Float32Array, out: Float32Array) => void): PlainTensor {
  const result = { shape: x.shape, data: new Float32Array(x.data.length) };
  for (let row = 0; row < rowsOf(x); row++) change(rowAt(x, row), rowAt(result, row));
  return result;
}

function mean(row: Float32Array, of: (value: number) => number): number {
  let sum = 0;
  for (const value of row) sum += of(value);
  return sum / row.length;
}

function linear(x: PlainTensor, weight: PlainTensor, bias: PlainTensor | undefined): PlainTensor {
  const outFeatures = weight.shape[0] as number;
  const inFeatures = sizeOf(weight.shape) / outFeatures;
  const data = new Float32Array(rowsOf(x) * outFeatures);
  for (let row = 0; row < rowsOf(x); row++) {
    for (let out = 0; out < outFeatures; out++) {
      let sum = bias === undefined ? 0 : (bias.data[out] as number);
      for (let i = 0; i < inFeatures; i++) {
        sum += (x.data[row * inFeatures + i] as number) * (weight.data[out * inFeatures + i] as number);
      }
      data[row * outFeatures + out] = sum;
    }
  }
  return { shape: [...x.shape.slice(0, -1), outFeatures], data };
}

function transposed({ shape, data }: PlainTensor): PlainTensor {
  const [rows, columns] = shape as [number, number];
  const result = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    result[(i % columns) * rows + Math.floor(i / columns)] = data[i] as number;
  }
  return { shape: [columns, rows], data: result };
}

function gather(table: PlainTensor, rows: ArrayLike<number>, shape: readonly number[]): PlainTensor {
  const picked = Array.from(rows, (row) => rowAt(table, row));
  return { shape: [...shape, featuresOf(table)], data: concatenated(picked) };
}

/** Each patch's numbers in a row: `[n, c, h, w]` → `[n, patches, c · size · size]`. */
function unfold({ shape, data }: PlainTensor, size: number): PlainTensor {
  const [count, channels, height, width] = shape as [number, number, number, number];
  const [down, across] = [Math.floor(height / size), Math.floor(width / size)];
  const features = channels * size * size;
  const result = new Float32Array(count * down * across * features);
  for (let i = 0; i < result.length; i++) {
    const [patch, feature] = [Math.floor(i / features), i % features];
    const [n, place] = [Math.floor(patch / (down * across)), patch % (down * across)];
    const channel = Math.floor(feature / (size * size));
    const y = Math.floor(place / across) * size + (Math.floor(feature / size) % size);
    const x = (place % across) * size + (feature % size);
    result[i] = data[((n * channels + channel) * height + y) * width + x] as number;
  }
  return { shape: [count, down * across, features], data: result };
}
