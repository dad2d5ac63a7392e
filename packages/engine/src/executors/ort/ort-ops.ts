import type { Activation, CachedAttentionShape, Ops } from "@vlmopt/models";
import type { ModelWeights } from "../../weights/model-weights.ts";
import type { GraphWriter } from "./ort-graph.ts";
import { linearWeights } from "./ort-weights.ts";

/** A value of the graph. */
export interface OrtValue {
  readonly name: string;
  /** Size of its last axis, of activations. */
  readonly features: number;
}

/** Inputs and outputs of the graph that hold earlier tokens' keys and values. */
export interface CacheValues {
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
}

export interface OrtOps extends Ops<OrtValue> {
  /** By layer, of passes that have any. */
  readonly caches: ReadonlyMap<number, CacheValues>;
  /** Values that were shown to probes, each once more than the graph needs it; none unless asked for. */
  readonly probed: readonly { readonly name: string; readonly value: string }[];
}

/** Tokens of each sequence less one, as GroupQueryAttention wants them, and of the longest. */
export const cacheInputs = { lengths: "seqlens_k", longest: "total_sequence_length" } as const;

/** Writes operations down as nodes: the standard's, and ONNX Runtime's fused ones. */
export function ortOps(
  graph: GraphWriter,
  weights: ModelWeights,
  { accuracyLevel, probes }: { readonly accuracyLevel: 0 | 4; readonly probes: boolean },
): OrtOps {
  const linears = linearWeights(graph, weights, accuracyLevel);
  const caches = new Map<number, CacheValues>();
  const probed: { name: string; value: string }[] = [];
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
  /** Row numbers of tokens `[batch, tokens]`, as RotaryEmbedding looks them up. */
  const tokenRows = (x: string) => {
    const shape = node("Shape", [x], { start: 0, end: 2 });
    const count = node("ReduceProd", [shape], { keepdims: 0 });
    const range = node("Range", [graph.integers([0], []), count, graph.integers([1], [])]);
    return node("Reshape", [range, shape]);
  };

  return {
    caches,
    probed,
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
      const rows = graph.once(`token rows ${cos.name}`, () => tokenRows(x.name));
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
      const { layer, heads, kvHeads, scale, softcap, window } = shape;
      const [pastKey, pastValue] = [`past_key.${layer}`, `past_value.${layer}`];
      const inputs = [q.name, k.name, v.name, pastKey, pastValue, cacheInputs.lengths, cacheInputs.longest];
      const [attended, presentKey, presentValue] = graph.nodes(
        "com.microsoft.GroupQueryAttention",
        inputs,
        3,
        {
          num_heads: heads,
          kv_num_heads: kvHeads,
          ...(scale === undefined ? {} : { scale: { float: scale } }),
          ...(softcap === undefined ? {} : { softcap: { float: softcap } }),
          ...(window === undefined ? {} : { local_window_size: window }),
        },
      ) as [string, string, string];
      caches.set(layer, { pastKey, pastValue, presentKey, presentValue });
      if (bias === undefined) return as(attended, q.features);
      return as(attendAll(q, presentKey, presentValue, shape, bias), q.features);
    },
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
      const places = graph.once(`places ${rows.name}`, () =>
        node("Unsqueeze", [node("Cast", [rows.name], { to: 7 }), graph.integers([1])]),
      );
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
    probe(name, x) {
      // The copy may be an output even where the value is one already.
      if (probes) probed.push({ name, value: node("Identity", [x.name]) });
    },
  };

  /** Attention over all that the cache holds; the bias says what each token sees of it. */
  function attendAll(
    q: OrtValue,
    keys: string,
    values: string,
    shape: CachedAttentionShape,
    bias: OrtValue,
  ): string {
    const { heads, headDim, scale, softcap } = shape;
    const perHead = node("Transpose", [reshape(q.name, [0, 0, heads, headDim])], { perm: [0, 2, 1, 3] });
    const attended = node("Attention", [perHead, keys, values, bias.name], {
      ...(scale === undefined ? {} : { scale: { float: scale } }),
      ...(softcap === undefined ? {} : { softcap: { float: softcap } }),
    });
    return reshape(node("Transpose", [attended], { perm: [0, 2, 1, 3] }), [0, 0, heads * headDim]);
  }
}
