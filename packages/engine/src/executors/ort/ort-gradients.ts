// Each operation of a recorded pass as nodes of a graph, with the nodes that lead its derivative back to what it was made of. Nodes that nothing
// needs are left out of the graph in the end, so that derivatives are written down without asking who wants them.
import type { Activation } from "@vlmopt/models";
import type { AttentionNode, LinearNode, Node, NormNode, Value } from "../recorded-pass.ts";
import type { GraphWriter } from "./ort-graph.ts";
import { rowPlaces, tokenRows } from "./ort-rows.ts";

/** A value of the graph with the size of its last axis. */
export interface GraphValue {
  readonly name: string;
  readonly features: number;
}

/** Derivatives that a node adds to those of what it read: of values by number, of weights by name. */
export type Backward = (derivative: string) => readonly (readonly [Value | string, string])[];

export interface DerivedNode extends GraphValue {
  readonly back: Backward;
}

export interface GradientContext {
  readonly graph: GraphWriter;
  resultOf(value: Value): GraphValue;
  /** A weight in F32 as the pass stores it, or as it is trained. */
  weight(name: string, shape?: readonly number[]): string;
  shapeOf(name: string): readonly number[];
  /** Rows of a table by their numbers. */
  lookUp(ids: string, table: string): string;
}

/**
 * Writes one operation down.
 * @throws {TypeError} when its derivative is asked for and there is none
 */
export function derivedNode(node: Node, context: GradientContext): DerivedNode {
  const { graph, resultOf, weight, shapeOf } = context;
  const { add, multiply, reshape, like, sum } = algebra(graph);
  switch (node.op) {
    case "embed": {
      const features = shapeOf(node.table)[1] ?? 1;
      return { name: context.lookUp(resultOf(node.ids).name, node.table), features, back: underived(node) };
    }
    case "weight": {
      const features = node.shape.at(-1) ?? 1;
      const back = (dy: string): ReturnType<Backward> => [[node.name, reshape(dy, shapeOf(node.name))]];
      return { name: weight(node.name, node.shape), features, back };
    }
    case "linear":
      return linear(node, context);
    case "norm":
      return norm(node, context);
    case "attention":
      return attention(node, context);
    case "map": {
      const { name, features } = resultOf(node.x);
      const { value, slope } = mapped(graph, name, node.function);
      return { name: value, features, back: (dy) => [[node.x, multiply(dy, slope())]] };
    }
    case "gated": {
      const { name: gate, features } = resultOf(node.gate);
      const up = resultOf(node.up).name;
      const { value, slope } = mapped(graph, gate, node.activation);
      return {
        name: multiply(value, up),
        features,
        back: (dy) => [
          [node.up, multiply(dy, value)],
          [node.gate, multiply(multiply(dy, up), slope())],
        ],
      };
    }
    case "scale": {
      const { name, features } = resultOf(node.x);
      const factor = graph.float(node.factor);
      return { name: multiply(name, factor), features, back: (dy) => [[node.x, multiply(dy, factor)]] };
    }
    case "add": {
      const { name: a, features } = resultOf(node.a);
      return {
        name: add(a, resultOf(node.b).name),
        features,
        back: (dy) => [
          [node.a, dy],
          [node.b, dy],
        ],
      };
    }
    case "rotate": {
      const { name, features } = resultOf(node.x);
      const [cos, sin] = [resultOf(node.cos).name, resultOf(node.sin).name];
      const rotated = (x: string, sine: string) =>
        graph.node("com.microsoft.RotaryEmbedding", [
          x,
          graph.once("token rows", () => tokenRows(graph, name)),
          cos,
          sine,
        ]);
      // A rotation is undone by the opposite one.
      const opposite = () => graph.once(`opposite ${sin}`, () => graph.node("Neg", [sin]));
      return { name: rotated(name, sin), features, back: (dy) => [[node.x, rotated(dy, opposite())]] };
    }
    case "takeRows": {
      const { name, features } = resultOf(node.x);
      const rows = resultOf(node.rows).name;
      const taken = graph.node("Gather", [reshape(name, [-1, features]), rows]);
      return {
        name: graph.node("Unsqueeze", [taken, graph.integers([0])]),
        features,
        back: (dy) => [[node.x, like(scattered(graph, name, dy, rows, features, "add"), name)]],
      };
    }
    case "putRows": {
      const { name, features } = resultOf(node.x);
      const { name: values } = resultOf(node.values);
      const rows = resultOf(node.rows).name;
      const isAdded = node.how === "add";
      const put = (x: string, what: string) =>
        graph.node(
          "ScatterND",
          [reshape(x, [-1, features]), rowPlaces(graph, rows), reshape(what, [-1, features])],
          isAdded ? { reduction: "add" } : {},
        );
      return {
        name: like(put(name, values), name),
        features,
        back: (dy) => {
          const own = graph.node("Gather", [reshape(dy, [-1, features]), rows]);
          const others = isAdded ? dy : like(put(dy, graph.node("Sub", [own, own])), name);
          return [
            [node.x, others],
            [node.values, graph.node("Unsqueeze", [own, graph.integers([0])])],
          ];
        },
      };
    }
    case "join": {
      const parts = node.parts.map(resultOf);
      const sizes = parts.map(({ features }) => features);
      const names = parts.map(({ name }) => name);
      return {
        name: names.length === 1 ? (names[0] as string) : graph.node("Concat", names, { axis: -1 }),
        features: sizes.reduce((a, b) => a + b, 0),
        back(dy) {
          if (node.parts.length === 1) return [[node.parts[0] as Value, dy]];
          const own = graph.nodes("Split", [dy, graph.integers(sizes)], sizes.length, { axis: -1 });
          return node.parts.map((part, n) => [part, own[n] as string] as const);
        },
      };
    }
    case "part": {
      const { name, features } = resultOf(node.x);
      const size = features / node.parts;
      const first = node.part * size;
      const bounds = [[first], [first + size], [-1]].map((values) => graph.integers(values));
      const pads = graph.integers([first, features - first - size]);
      return {
        name: graph.node("Slice", [name, ...bounds]),
        features: size,
        back: (dy) => [[node.x, graph.node("Pad", [dy, pads, graph.float(0), graph.integers([-1])])]],
      };
    }
    case "regroup": {
      const { name } = resultOf(node.x);
      const back = (dy: string): ReturnType<Backward> => [[node.x, like(dy, name)]];
      return { name: reshape(name, [1, -1, node.features]), features: node.features, back };
    }
    default:
      throw new TypeError(`ONNX Runtime derives no pass with the operation ${node.op}: train with tfjs`);
  }

  function underived({ op }: Node): Backward {
    return () => {
      throw new TypeError(`ONNX Runtime does not derive the operation ${op}: leave its weight as it is`);
    };
  }

  function linear(
    { x, weight: w, bias, transposed }: LinearNode,
    { graph: g }: GradientContext,
  ): DerivedNode {
    const { name, features } = resultOf(x);
    const [rows = 1, ...rest] = shapeOf(w);
    const columns = rest.reduce((product, size) => product * size, 1);
    const matrix = weight(w, [rows, columns]);
    const outFeatures = transposed ? columns : rows;
    const product = g.node("com.microsoft.FusedMatMul", [name, matrix], { transB: transposed ? 0 : 1 });
    return {
      name: bias === undefined ? product : add(product, weight(bias)),
      features: outFeatures,
      back(dy) {
        const [ins, outs] = [reshape(name, [-1, features]), reshape(dy, [-1, outFeatures])];
        const [a, b] = transposed ? [ins, outs] : [outs, ins];
        const dw = g.node("com.microsoft.FusedMatMul", [a, b], { transA: 1 });
        return [
          [x, g.node("com.microsoft.FusedMatMul", [dy, matrix], { transB: transposed ? 1 : 0 })],
          [w, reshape(dw, shapeOf(w))],
          ...(bias === undefined ? [] : [[bias, sum(outs, [0])] as const]),
        ];
      },
    };
  }

  /** y = x̂·w + b with x̂ = (x − mean)·r, r = 1 / √(variance + eps); RMS norms have no mean. */
  function norm({ x, kind, weight: w, bias, eps, offset, heads }: NormNode, { graph: g }: GradientContext) {
    const { name, features } = resultOf(x);
    const own = heads === 1 ? name : reshape(name, [0, 0, heads, features / heads]);
    const mean = (of: string) => g.node("ReduceMean", [of, g.integers([-1])], { keepdims: 1 });
    const centered = kind === "layer" ? g.node("Sub", [own, mean(own)]) : own;
    const variance = add(mean(multiply(centered, centered)), g.float(eps));
    const r = g.node("Reciprocal", [g.node("Sqrt", [variance])]);
    const normed = multiply(centered, r);
    const gain = w === undefined ? undefined : offset === 0 ? weight(w) : add(weight(w), g.float(offset));
    const scaled = gain === undefined ? normed : multiply(normed, gain);
    const shifted = bias === undefined ? scaled : add(scaled, weight(bias));
    const size = features / heads;
    return {
      name: heads === 1 ? shifted : like(shifted, name),
      features,
      back(derivative: string): ReturnType<Backward> {
        const dy = heads === 1 ? derivative : reshape(derivative, [0, 0, heads, size]);
        const dNormed = gain === undefined ? dy : multiply(dy, gain);
        const along = multiply(normed, mean(multiply(dNormed, normed)));
        const level = kind === "layer" ? g.node("Sub", [dNormed, mean(dNormed)]) : dNormed;
        const dx = multiply(g.node("Sub", [level, along]), r);
        return [
          [x, heads === 1 ? dx : like(dx, name)],
          ...(w === undefined ? [] : [[w, sum(reshape(multiply(dy, normed), [-1, size]), [0])] as const]),
          ...(bias === undefined ? [] : [[bias, sum(reshape(dy, [-1, size]), [0])] as const]),
        ];
      },
    };
  }

  /** Heads that share keys are an axis of their own: `[batch, kvHeads, shared, tokens, headDim]`. */
  function attention(node: AttentionNode, { graph: g }: GradientContext): DerivedNode {
    const { heads, kvHeads, scale } = node.shape;
    const softcap = node.cached?.softcap;
    const { name: q, features } = resultOf(node.q);
    const headDim = features / heads;
    const group = heads / kvHeads;
    const alpha = { float: scale ?? headDim ** -0.5 };
    const transpose = (x: string, perm: readonly number[]) => g.node("Transpose", [x], { perm });
    const product = (a: string, b: string, how: Parameters<GraphWriter["node"]>[2]) =>
      g.node("com.microsoft.FusedMatMul", [a, b], how);
    const apart = (x: string, shared: number) =>
      transpose(reshape(x, [0, 0, kvHeads, shared, headDim]), [0, 2, 3, 1, 4]);
    const together = (x: string) => reshape(transpose(x, [0, 3, 1, 2, 4]), [0, 0, -1]);
    const ofShared = (x: string) =>
      together(group === 1 ? x : g.node("ReduceSum", [x, g.integers([2])], { keepdims: 1 }));
    const [queries, keys, values] = [
      apart(q, group),
      apart(resultOf(node.k).name, 1),
      apart(resultOf(node.v).name, 1),
    ];
    const products = product(queries, keys, { transB: 1, alpha });
    const capped =
      softcap === undefined ? undefined : g.node("Tanh", [multiply(products, g.float(1 / softcap))]);
    const scores = capped === undefined ? products : multiply(capped, g.float(softcap as number));
    const biased =
      node.bias === undefined
        ? scores
        : add(scores, g.node("Unsqueeze", [resultOf(node.bias).name, g.integers([1])]));
    const shares = g.node("Softmax", [biased], { axis: -1 });
    return {
      name: together(g.node("MatMul", [shares, values])),
      features,
      back(dy) {
        const dMixed = apart(dy, group);
        const dShares = product(dMixed, values, { transB: 1 });
        const weighted = multiply(dShares, shares);
        const level = g.node("ReduceSum", [weighted, g.integers([-1])], { keepdims: 1 });
        const dScores = g.node("Sub", [weighted, multiply(shares, level)]);
        const dProducts =
          capped === undefined
            ? dScores
            : multiply(dScores, g.node("Sub", [g.float(1), multiply(capped, capped)]));
        return [
          [node.q, together(product(dProducts, keys, { alpha }))],
          [node.k, ofShared(product(dProducts, queries, { transA: 1, alpha }))],
          [node.v, ofShared(product(shares, dMixed, { transA: 1 }))],
        ];
      },
    };
  }
}

function algebra(graph: GraphWriter) {
  const reshape = (x: string, shape: readonly number[]) => graph.node("Reshape", [x, graph.integers(shape)]);
  return {
    add: (a: string, b: string) => graph.node("Add", [a, b]),
    multiply: (a: string, b: string) => graph.node("Mul", [a, b]),
    reshape,
    /** x in the shape of another. */
    like: (x: string, other: string) =>
      graph.node("Reshape", [x, graph.once(`shape ${other}`, () => graph.node("Shape", [other]))]),
    sum: (x: string, axes: readonly number[]) =>
      graph.node("ReduceSum", [x, graph.integers(axes)], { keepdims: 0 }),
  };
}

/** Zeros of the rows of x to which values are added. */
function scattered(
  graph: GraphWriter,
  x: string,
  values: string,
  rows: string,
  features: number,
  reduction: "add",
): string {
  const { reshape } = algebra(graph);
  const flat = reshape(x, [-1, features]);
  const zeros = graph.node("Expand", [graph.float(0), graph.node("Shape", [flat])]);
  return graph.node("ScatterND", [zeros, rowPlaces(graph, rows), reshape(values, [-1, features])], {
    reduction,
  });
}

/** A function of numbers with its derivative there. */
function mapped(graph: GraphWriter, x: string, kind: Activation | "tanh") {
  const node = graph.node;
  const one = () => graph.float(1);
  const times = (a: string, b: string) => node("Mul", [a, b]);
  /** x·σ(a·x): σ + a·y·(1 − σ). */
  const swish = (alpha: number) => {
    const share = node("Sigmoid", [alpha === 1 ? x : times(x, graph.float(alpha))]);
    const value = times(x, share);
    const rest = () => times(times(value, graph.float(alpha)), node("Sub", [one(), share]));
    return { value, slope: () => node("Add", [share, rest()]) };
  };
  switch (kind) {
    case "silu":
      return swish(1);
    case "quick-gelu":
      return swish(1.702);
    case "relu":
      return {
        value: node("Relu", [x]),
        slope: () => node("Cast", [node("Greater", [x, graph.float(0)])], { to: 1 }),
      };
    case "tanh": {
      const value = node("Tanh", [x]);
      return { value, slope: () => node("Sub", [one(), times(value, value)]) };
    }
    case "gelu": {
      // Φ(x) + x·φ(x).
      const share = times(
        node("Add", [node("Erf", [times(x, graph.float(Math.SQRT1_2))]), one()]),
        graph.float(0.5),
      );
      const density = () =>
        times(node("Exp", [times(times(x, x), graph.float(-0.5))]), graph.float(1 / Math.sqrt(2 * Math.PI)));
      return { value: times(x, share), slope: () => node("Add", [share, times(x, density())]) };
    }
    case "gelu-tanh": {
      const [c, d] = [Math.sqrt(2 / Math.PI), 0.044715];
      const square = times(x, x);
      const inner = times(x, node("Add", [times(square, graph.float(c * d)), graph.float(c)]));
      const bent = node("Tanh", [inner]);
      const share = times(node("Add", [bent, one()]), graph.float(0.5));
      const slope = () => {
        const innerSlope = node("Add", [times(square, graph.float(3 * c * d)), graph.float(c)]);
        const bend = node("Sub", [one(), times(bent, bent)]);
        return node("Add", [share, times(times(times(x, graph.float(0.5)), bend), innerSlope)]);
      };
      return { value: times(x, share), slope };
    }
  }
}
