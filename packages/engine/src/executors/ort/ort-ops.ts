import type { Activation, CachedAttentionShape, Ops } from "@vlmopt/models";
import type { ModelWeights } from "../../weights/model-weights.ts";
import type { GraphWriter } from "./ort-graph.ts";
import { rowPlaces, tokenRows } from "./ort-rows.ts";
import { linearWeights } from "./ort-weights.ts";

/** A value of the graph. */
export interface OrtValue {
  readonly name: string;
  /** Size of its last axis, of activations. */
  readonly features: number;
}

/** Names of keys and values in the graph. */
export interface CacheValues {
  /** Inputs, earlier tokens': `[batch, kvHeads, room, headDim]`. */
  readonly pastKey: string;
  readonly pastValue: string;
  /** Outputs, new tokens': `[batch, tokens, kvHeads · headDim]`. */
  readonly newKey: string;
  readonly newValue: string;
}

/** GroupQueryAttention takes heads whose size is a multiple of this. */
const HEAD_STEP = 8;

export interface OrtOps extends Ops<OrtValue> {
  /** By layer, of passes that have any. */
  readonly caches: ReadonlyMap<number, CacheValues>;
  /** How many tokens its layers see, where not all. */
  readonly windows: ReadonlySet<number | undefined>;
}

/**
 * Of passes that attend to earlier tokens: tokens of each sequence less one, as GroupQueryAttention wants them, and of the longest; whether
 * there is one new token of each, and what that sees of the room for earlier ones, `[batch, 1, 1, room]` of 0 and −∞.
 */
export const cacheInputs = {
  lengths: "seqlens_k",
  longest: "total_sequence_length",
  single: "single_token",
  seen: (window: number | undefined) => (window === undefined ? "seen" : `seen.${window}`),
} as const;

/** Writes operations down as nodes: the standard's, and ONNX Runtime's fused ones. */
export function ortOps(
  graph: GraphWriter,
  weights: ModelWeights,
  { activations }: { readonly activations: "int8" | "float32" | undefined },
): OrtOps {
  const linears = linearWeights(graph, weights, activations);
  const caches = new Map<number, CacheValues>();
  const windows = new Set<number | undefined>();
  const node = graph.node;
  const as = (name: string, features: number): OrtValue => ({ name, features });
  const reshape = (x: string, shape: readonly number[]) => node("Reshape", [x, graph.integers(shape)]);
  const batchOf = (x: string) => graph.once(`batch ${x}`, () => node("Shape", [x], { start: 0, end: 1 }));
  const withBias = (x: string, bias: string | undefined) =>
    bias === undefined ? x : node("Add", [x, linears.float(bias)]);

  const rmsNorm = (x: string, weight: string, eps: number, offset: number) => {
    const stored = linears.float(weight);
    const scale = offset === 0 ? stored : node("Add", [stored, graph.float(offset)]);
    return node("SimplifiedLayerNormalization", [x, scale], { axis: -1, epsilon: { float: eps } });
  };
  const activate = (x: string, activation: Activation): string => {
    switch (activation) {
      case "silu":
        return node("com.microsoft.QuickGelu", [x], { alpha: { float: 1 } });
      case "quick-gelu":
        return node("com.microsoft.QuickGelu", [x], { alpha: { float: 1.702 } });
      case "gelu":
        return node("Gelu", [x]);
      case "gelu-tanh":
        return node("Gelu", [x], { approximate: "tanh" });
      case "relu":
        return node("Relu", [x]);
    }
  };
  /** Rows `[count, features]` once for each batch of `like`. */
  const repeat = (rows: string, like: string) =>
    node("Expand", [
      node("Unsqueeze", [rows, graph.integers([0])]),
      node("Concat", [batchOf(like), graph.integers([1, 1])], { axis: 0 }),
    ]);

  return {
    caches,
    windows,
    embed(ids, table) {
      const [, features] = linears.shapeOf(table);
      return as(linears.lookUp(ids.name, table), features);
    },
    weight: (name, shape) => as(linears.float(name, shape), shape.at(-1) ?? 1),
    linear: (x, weight, bias) =>
      as(withBias(linears.multiply(x.name, weight), bias), linears.shapeOf(weight)[0]),
    linearTransposed: (x, weight, bias) =>
      as(withBias(node("MatMul", [x.name, linears.float(weight)]), bias), linears.shapeOf(weight)[1]),
    layerNorm(x, eps, weight, bias) {
      const ones = () => node("Expand", [graph.float(1), graph.integers([x.features])]);
      const scale = weight === undefined ? ones() : linears.float(weight);
      const inputs = [x.name, scale, ...(bias === undefined ? [] : [linears.float(bias)])];
      return as(node("LayerNormalization", inputs, { axis: -1, epsilon: { float: eps } }), x.features);
    },
    rmsNorm: (x, weight, eps, offset) => as(rmsNorm(x.name, weight, eps, offset), x.features),
    headRmsNorm(x, weight, eps, heads) {
      const apart = reshape(x.name, [0, 0, heads, x.features / heads]);
      return as(reshape(rmsNorm(apart, weight, eps, 0), [0, 0, x.features]), x.features);
    },
    activate: (x, activation) => as(activate(x.name, activation), x.features),
    gated: (gate, up, activation) => as(node("Mul", [activate(gate.name, activation), up.name]), up.features),
    tanh: (x) => as(node("Tanh", [x.name]), x.features),
    add: (a, b) => as(node("Add", [a.name, b.name]), a.features),
    scale: (x, factor) => as(node("Mul", [x.name, graph.float(factor)]), x.features),
    rotate(x, { cos, sin }) {
      const rows = graph.once(`token rows ${cos.name}`, () => tokenRows(graph, x.name));
      return as(node("com.microsoft.RotaryEmbedding", [x.name, rows, cos.name, sin.name]), x.features);
    },
    attention(q, k, v, { heads, scale }, bias) {
      const inputs = [q.name, k.name, v.name, undefined, undefined, bias?.name];
      const attributes = { num_heads: heads, ...(scale === undefined ? {} : { scale: { float: scale } }) };
      const given = bias === undefined ? inputs.slice(0, 3) : inputs;
      return as(node("com.microsoft.MultiHeadAttention", given, attributes), q.features);
    },
    relativeScores(q, k, { keys, queries, rows }, { heads, scale }, bias) {
      const perHead = (x: OrtValue, perm: readonly number[]) =>
        node("Transpose", [reshape(x.name, [0, 0, heads, x.features / heads])], { perm });
      /** Row numbers of the last two axes for each head of each batch. */
      const everywhere = (places: string) => {
        const shape = node("Concat", [batchOf(q.name), graph.integers([heads, 1, 1])], { axis: 0 });
        return node("Expand", [places, shape]);
      };
      const transposed = (x: string, perm: readonly number[]) => node("Transpose", [x], { perm });
      const products: string[] = [];
      if (keys !== undefined) {
        const places = graph.once(`relative ${rows.name}`, () => everywhere(rows.name));
        const all = node("MatMul", [perHead(q, [0, 2, 1, 3]), perHead(keys, [0, 2, 3, 1])]);
        products.push(node("GatherElements", [all, places], { axis: 3 }));
      }
      if (queries !== undefined) {
        const places = graph.once(`relative ${rows.name}, keys first`, () =>
          everywhere(transposed(rows.name, [1, 0])),
        );
        const all = node("MatMul", [perHead(k, [0, 2, 1, 3]), perHead(queries, [0, 2, 3, 1])]);
        products.push(transposed(node("GatherElements", [all, places], { axis: 3 }), [0, 1, 3, 2]));
      }
      const sum = products.reduce((a, b) => node("Add", [a, b]));
      return as(node("Add", [node("Mul", [sum, graph.float(scale)]), bias.name]), 1);
    },
    cachedAttention(q, k, v, shape, bias) {
      const { layer, window } = shape;
      const [pastKey, pastValue] = [`past_key.${layer}`, `past_value.${layer}`];
      const values = { pastKey, pastValue, newKey: k.name, newValue: v.name };
      caches.set(layer, values);
      // Where a bias says what tokens see, windows do not.
      windows.add(bias === undefined ? window : undefined);
      const attended = graph.choose(
        cacheInputs.single,
        () => attendSingle(q.name, values, shape, bias?.name),
        () => attendMany(q.name, values, shape, bias?.name),
      );
      return as(attended, q.features);
    },
    receivedAttention(q, k, { heads, kvHeads, scale }, rows, bias) {
      const headDim = q.features / heads;
      const group = heads / kvHeads;
      const queries =
        rows === undefined
          ? node("Transpose", [reshape(q.name, [0, 0, kvHeads, group, headDim])], { perm: [0, 2, 3, 1, 4] })
          : reshape(node("Gather", [reshape(q.name, [-1, q.features]), rows.name]), [
              -1,
              kvHeads,
              group,
              1,
              headDim,
            ]);
      const keys = node("Transpose", [reshape(k.name, [0, 0, kvHeads, 1, headDim])], {
        perm: [0, 2, 3, 4, 1],
      });
      const scaled = node("Mul", [queries, graph.float(scale ?? headDim ** -0.5)]);
      const products = node("MatMul", [scaled, keys]);
      const scores =
        bias === undefined
          ? products
          : node("Add", [products, node("Unsqueeze", [bias.name, graph.integers([1])])]);
      const shares = node("Softmax", [scores], { axis: -1 });
      const mean = node("ReduceMean", [shares, graph.integers([1, 2, 3])], { keepdims: 0 });
      return as(node("Unsqueeze", [mean, graph.integers([1])]), 1);
    },
    headMean(x, heads) {
      const headDim = x.features / heads;
      const apart = reshape(x.name, [0, 0, heads, headDim]);
      return as(node("ReduceMean", [apart, graph.integers([2])], { keepdims: 0 }), headDim);
    },
    rowProducts: (a, b) =>
      as(node("com.microsoft.FusedMatMul", [a.name, b.name], { transB: 1, alpha: { float: 1 } }), 1),
    mixRows: (shares, x) => as(node("MatMul", [shares.name, x.name]), x.features),
    patches(pixels, weight, patchSize, bias) {
      const [features] = linears.shapeOf(weight);
      const inputs = [
        pixels.name,
        linears.float(weight),
        ...(bias === undefined ? [] : [linears.float(bias)]),
      ];
      const sizes = [patchSize, patchSize];
      const maps = node("Conv", inputs, { kernel_shape: sizes, strides: sizes });
      return as(node("Transpose", [reshape(maps, [0, features, -1])], { perm: [0, 2, 1] }), features);
    },
    prepend: (x, rows) => as(node("Concat", [repeat(rows.name, x.name), x.name], { axis: 1 }), x.features),
    repeat: (rows, like) => as(repeat(rows.name, like.name), rows.features),
    tokensFrom(x, first) {
      const [from, to, axis] = [[first], [Number.MAX_SAFE_INTEGER], [1]].map((values) =>
        graph.integers(values),
      );
      return as(node("Slice", [x.name, from, to, axis]), x.features);
    },
    split: (x, parts) =>
      graph
        .nodes("Split", [x.name], parts, { axis: -1, num_outputs: parts })
        .map((part) => as(part, x.features / parts)),
    join(parts) {
      const names = parts.map(({ name }) => name);
      const features = parts.reduce((sum, part) => sum + part.features, 0);
      return as(names.length === 1 ? (names[0] as string) : node("Concat", names, { axis: -1 }), features);
    },
    stack(parts) {
      const features = parts[0]?.features ?? 1;
      const rows = parts.map(({ name }) => reshape(name, [1, -1, features]));
      return as(node("Concat", rows, { axis: 1 }), features);
    },
    regroup: (x, features) => as(reshape(x.name, [1, -1, features]), features),
    takeRows(x, rows) {
      const taken = node("Gather", [reshape(x.name, [-1, x.features]), rows.name]);
      return as(node("Unsqueeze", [taken, graph.integers([0])]), x.features);
    },
    putRows(x, values, rows, how) {
      const places = rowPlaces(graph, rows.name);
      const flat = [reshape(x.name, [-1, x.features]), places, reshape(values.name, [-1, x.features])];
      const put = node("ScatterND", flat, how === "add" ? { reduction: "add" } : {});
      return as(node("Reshape", [put, node("Shape", [x.name])]), x.features);
    },
    blendRows(table, ids, shares) {
      const [, features] = linears.shapeOf(table);
      const rows = node("Gather", [linears.float(table), ids.name]);
      const weighted = node("Mul", [rows, node("Unsqueeze", [shares.name, graph.integers([2])])]);
      const sum = node("ReduceSum", [weighted, graph.integers([1])], { keepdims: 0 });
      return as(node("Unsqueeze", [sum, graph.integers([0])]), features);
    },
    target() {},
  };

  /** Several new tokens of each sequence: earlier keys and values are copied in front of theirs. */
  function attendMany(q: string, cached: CacheValues, shape: CachedAttentionShape, bias?: string): string {
    if (shape.headDim % HEAD_STEP !== 0) return attendManyPadded(q, cached, shape, bias);
    const { heads, kvHeads, headDim, scale, softcap, window } = shape;
    const { newKey, newValue, pastKey, pastValue } = cached;
    const capped = {
      ...(scale === undefined ? {} : { scale: { float: scale } }),
      ...(softcap === undefined ? {} : { softcap: { float: softcap } }),
    };
    const [attended, keys, values] = graph.nodes(
      "com.microsoft.GroupQueryAttention",
      [q, newKey, newValue, pastKey, pastValue, cacheInputs.lengths, cacheInputs.longest],
      3,
      {
        num_heads: heads,
        kv_num_heads: kvHeads,
        ...capped,
        ...(window === undefined ? {} : { local_window_size: window }),
      },
    ) as [string, string, string];
    if (bias === undefined) return attended;
    // What each token sees is the bias's business alone.
    const perHead = node("Transpose", [reshape(q, [0, 0, heads, headDim])], { perm: [0, 2, 1, 3] });
    const room = node("Shape", [keys], { start: 2, end: 3 });
    const seen = node("Slice", [bias, graph.integers([0]), room, graph.integers([3])]);
    const all = node("Attention", [perHead, keys, values, seen], capped);
    return reshape(node("Transpose", [all], { perm: [0, 2, 1, 3] }), [0, 0, heads * headDim]);
  }

  /** The same with zeros behind each head's features, which change no product, up to a size that GroupQueryAttention takes. */
  function attendManyPadded(q: string, cached: CacheValues, shape: CachedAttentionShape, bias?: string) {
    const { heads, kvHeads, headDim, scale = headDim ** -0.5 } = shape;
    const padded = Math.ceil(headDim / HEAD_STEP) * HEAD_STEP;
    const pad = (x: string) =>
      node("Pad", [x, graph.integers([0, 0, 0, 0, 0, 0, 0, padded - headDim]), graph.float(0)]);
    const rows = (x: string, count: number) =>
      reshape(pad(reshape(x, [0, 0, count, headDim])), [0, 0, count * padded]);
    const wide = {
      pastKey: pad(cached.pastKey),
      pastValue: pad(cached.pastValue),
      newKey: rows(cached.newKey, kvHeads),
      newValue: rows(cached.newValue, kvHeads),
    };
    const attended = attendMany(rows(q, heads), wide, { ...shape, headDim: padded, scale }, bias);
    const apart = reshape(attended, [0, 0, heads, padded]);
    const own = node("Slice", [apart, ...[[0], [headDim], [3]].map((values) => graph.integers(values))]);
    return reshape(own, [0, 0, heads * headDim]);
  }

  /** One new token of each sequence. It meets earlier keys and values where they lie, and its own apart from them. */
  function attendSingle(q: string, cached: CacheValues, shape: CachedAttentionShape, bias?: string): string {
    const { heads, kvHeads, headDim, scale = headDim ** -0.5, softcap, window } = shape;
    const queries = reshape(q, [-1, kvHeads, heads / kvHeads, headDim]);
    const [newKeys, newValues] = [cached.newKey, cached.newValue].map((name) =>
      reshape(name, [-1, kvHeads, 1, headDim]),
    ) as [string, string];
    const products = [cached.pastKey, newKeys].map((keys) =>
      node("com.microsoft.FusedMatMul", [queries, keys], { transB: 1, alpha: { float: scale } }),
    );
    let scores = node("Concat", products, { axis: -1 });
    if (softcap !== undefined) {
      const small = node("Tanh", [node("Mul", [scores, graph.float(1 / softcap)])]);
      scores = node("Mul", [small, graph.float(softcap)]);
    }
    scores = node("Add", [scores, bias === undefined ? cacheInputs.seen(window) : biasOfSingle(bias)]);
    const shares = node("Softmax", [scores], { axis: -1 });
    const room = graph.once("room", () => node("Shape", [cached.pastKey], { start: 2, end: 3 }));
    const sizes = graph.once("room and one", () => node("Concat", [room, graph.integers([1])], { axis: 0 }));
    const [pastShares, newShare] = graph.nodes("Split", [shares, sizes], 2, { axis: -1 }) as [string, string];
    const past = node("MatMul", [pastShares, cached.pastValue]);
    const sum = node("Add", [past, node("Mul", [newShare, newValues])]);
    return reshape(sum, [-1, 1, heads * headDim]);
  }

  /** What one new token sees of the earlier ones, and of itself: its bias is told by places in the whole cache. */
  function biasOfSingle(bias: string): string {
    return graph.once("bias of a single token", () => {
      const place = reshape(cacheInputs.lengths, [-1, 1, 1, 1]);
      const own = node("GatherElements", [bias, place], { axis: 3 });
      const [seen, zero, axis] = [cacheInputs.seen(undefined), graph.integers([0]), graph.integers([3])];
      const room = node("Sub", [node("Shape", [seen], { start: 3, end: 4 }), graph.integers([1])]);
      const past = node("Slice", [bias, zero, room, axis]);
      return node("Add", [node("Concat", [past, own], { axis: 3 }), seen]);
    });
  }
}
