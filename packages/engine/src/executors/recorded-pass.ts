// A forward pass written down: one node for each operation, in order.
import type {
  Activation,
  AttentionShape,
  CachedAttentionShape,
  ElementType,
  ForwardPass,
  Ops,
} from "@vlmopt/models";
import { type Probed, type ProbeOptions, withProbes } from "../calibration/input-statistics.ts";

/** The result of a node, by the node's place. */
export type Value = number;

export interface NormNode {
  readonly op: "norm";
  readonly x: Value;
  readonly kind: "layer" | "rms";
  readonly weight: string | undefined;
  readonly bias: string | undefined;
  readonly eps: number;
  readonly offset: number;
  /** Parts of a row that are normed each by itself. */
  readonly heads: number;
}

export interface LinearNode {
  readonly op: "linear";
  readonly x: Value;
  readonly weight: string;
  readonly bias: string | undefined;
  /** The weight is `[in, out]`. */
  readonly transposed: boolean;
}

export interface AttentionNode {
  readonly op: "attention";
  readonly q: Value;
  readonly k: Value;
  readonly v: Value;
  readonly shape: AttentionShape;
  readonly cached: CachedAttentionShape | undefined;
  readonly bias: Value | undefined;
}

export interface RelativeNode {
  readonly op: "relative";
  readonly q: Value;
  readonly k: Value;
  readonly keys: Value | undefined;
  readonly queries: Value | undefined;
  readonly rows: Value;
  readonly heads: number;
  readonly scale: number;
  readonly bias: Value;
}

/** What each token receives of the attention of one query of each batch, or of all. */
export interface ReceivedNode {
  readonly op: "received";
  readonly q: Value;
  readonly k: Value;
  readonly shape: AttentionShape;
  readonly rows: Value | undefined;
  readonly bias: Value | undefined;
}

export type Node =
  | { readonly op: "input"; readonly name: string; readonly dtype: ElementType }
  | { readonly op: "embed"; readonly ids: Value; readonly table: string }
  | { readonly op: "weight"; readonly name: string; readonly shape: readonly number[] }
  | LinearNode
  | NormNode
  | { readonly op: "map"; readonly x: Value; readonly function: Activation | "tanh" }
  | { readonly op: "scale"; readonly x: Value; readonly factor: number }
  | { readonly op: "gated"; readonly gate: Value; readonly up: Value; readonly activation: Activation }
  | { readonly op: "add"; readonly a: Value; readonly b: Value }
  | {
      readonly op: "rotate";
      readonly x: Value;
      readonly cos: Value;
      readonly sin: Value;
      readonly heads: number;
    }
  | AttentionNode
  | RelativeNode
  | ReceivedNode
  | { readonly op: "headMean"; readonly x: Value; readonly heads: number }
  | { readonly op: "rowProducts"; readonly a: Value; readonly b: Value }
  | { readonly op: "mixRows"; readonly shares: Value; readonly x: Value }
  | { readonly op: "unfold"; readonly pixels: Value; readonly size: number }
  | { readonly op: "prepend"; readonly x: Value; readonly rows: Value }
  | { readonly op: "repeat"; readonly rows: Value; readonly like: Value }
  | { readonly op: "tokensFrom"; readonly x: Value; readonly first: number }
  | { readonly op: "part"; readonly x: Value; readonly part: number; readonly parts: number }
  | { readonly op: "join"; readonly parts: readonly Value[] }
  | { readonly op: "stack"; readonly parts: readonly Value[] }
  | { readonly op: "regroup"; readonly x: Value; readonly features: number }
  | { readonly op: "takeRows"; readonly x: Value; readonly rows: Value }
  | {
      readonly op: "putRows";
      readonly x: Value;
      readonly values: Value;
      readonly rows: Value;
      readonly how: "replace" | "add";
    }
  | { readonly op: "blendRows"; readonly table: string; readonly ids: Value; readonly weights: Value };

export interface RecordedPass {
  readonly nodes: readonly Node[];
  readonly outputs: Readonly<Record<string, Value>>;
  /** What goes into linears. */
  readonly probed: readonly Probed<Value>[];
}

/** @param probes of what is wanted of what goes into linears */
export function recordPass(pass: ForwardPass, probes: ProbeOptions = {}): RecordedPass {
  const nodes: Node[] = [];
  const add = (node: Node): Value => nodes.push(node) - 1;
  const inputs = Object.entries(pass.inputs).map(
    ([name, { dtype }]) => [name, add({ op: "input", name, dtype })] as const,
  );
  const { ops, probed } = withProbes(recordingOps(add), probes);
  return { nodes, outputs: pass.run(ops, Object.fromEntries(inputs)), probed: probed() };
}

/** Names of the weights that a pass uses. */
export function weightsOf({ nodes }: Pick<RecordedPass, "nodes">): ReadonlySet<string> {
  return new Set(
    nodes.flatMap((node) => {
      switch (node.op) {
        case "embed":
        case "blendRows":
          return [node.table];
        case "weight":
          return [node.name];
        case "linear":
        case "norm":
          return [node.weight, node.bias].filter((name) => name !== undefined);
        default:
          return [];
      }
    }),
  );
}

/** Of each value: whether it is made of weights of these names. */
export function dependentValues(
  nodes: readonly Node[],
  names: Pick<ReadonlySet<string>, "has">,
): readonly boolean[] {
  const found: boolean[] = [];
  for (const node of nodes) {
    const own = [...weightsOf({ nodes: [node] })].some((name) => names.has(name));
    found.push(own || readsOf(node).some((value) => found[value]));
  }
  return found;
}

/** Values that a node reads. */
export function readsOf(node: Node): readonly Value[] {
  switch (node.op) {
    case "input":
    case "weight":
      return [];
    case "embed":
      return [node.ids];
    case "gated":
      return [node.gate, node.up];
    case "add":
    case "rowProducts":
      return [node.a, node.b];
    case "mixRows":
      return [node.shares, node.x];
    case "received":
      return [node.q, node.k, node.rows, node.bias].filter((x) => x !== undefined);
    case "rotate":
      return [node.x, node.cos, node.sin];
    case "attention":
      return [node.q, node.k, node.v, ...(node.bias === undefined ? [] : [node.bias])];
    case "relative":
      return [node.q, node.k, node.keys, node.queries, node.rows, node.bias].filter((x) => x !== undefined);
    case "unfold":
      return [node.pixels];
    case "prepend":
      return [node.x, node.rows];
    case "repeat":
      return [node.rows, node.like];
    case "join":
    case "stack":
      return node.parts;
    case "takeRows":
      return [node.x, node.rows];
    case "putRows":
      return [node.x, node.values, node.rows];
    case "blendRows":
      return [node.ids, node.weights];
    default:
      return [node.x];
  }
}

function recordingOps(add: (node: Node) => Value): Ops<Value> {
  const linear = (x: Value, weight: string, bias?: string) =>
    add({ op: "linear", x, weight, bias, transposed: false });
  return {
    embed: (ids, table) => add({ op: "embed", ids, table }),
    weight: (name, shape) => add({ op: "weight", name, shape }),
    linear,
    linearTransposed: (x, weight, bias) => add({ op: "linear", x, weight, bias, transposed: true }),
    layerNorm: (x, eps, weight, bias) =>
      add({ op: "norm", x, kind: "layer", weight, bias, eps, offset: 0, heads: 1 }),
    rmsNorm: (x, weight, eps, offset) =>
      add({ op: "norm", x, kind: "rms", weight, bias: undefined, eps, offset, heads: 1 }),
    headRmsNorm: (x, weight, eps, heads) =>
      add({ op: "norm", x, kind: "rms", weight, bias: undefined, eps, offset: 0, heads }),
    activate: (x, activation) => add({ op: "map", x, function: activation }),
    gated: (gate, up, activation) => add({ op: "gated", gate, up, activation }),
    tanh: (x) => add({ op: "map", x, function: "tanh" }),
    add: (a, b) => add({ op: "add", a, b }),
    scale: (x, factor) => add({ op: "scale", x, factor }),
    rotate: (x, { cos, sin }, heads) => add({ op: "rotate", x, cos, sin, heads }),
    attention: (q, k, v, shape, bias) => add({ op: "attention", q, k, v, shape, cached: undefined, bias }),
    cachedAttention: (q, k, v, shape, bias) => add({ op: "attention", q, k, v, shape, cached: shape, bias }),
    relativeScores: (q, k, relative, shape, bias) =>
      add({ op: "relative", q, k, ...relative, ...shape, bias }),
    receivedAttention: (q, k, shape, rows, bias) => add({ op: "received", q, k, shape, rows, bias }),
    headMean: (x, heads) => add({ op: "headMean", x, heads }),
    rowProducts: (a, b) => add({ op: "rowProducts", a, b }),
    mixRows: (shares, x) => add({ op: "mixRows", shares, x }),
    patches: (pixels, weight, size, bias) => linear(add({ op: "unfold", pixels, size }), weight, bias),
    prepend: (x, rows) => add({ op: "prepend", x, rows }),
    repeat: (rows, like) => add({ op: "repeat", rows, like }),
    tokensFrom: (x, first) => add({ op: "tokensFrom", x, first }),
    split: (x, parts) => Array.from({ length: parts }, (_, part) => add({ op: "part", x, part, parts })),
    join: (parts) => add({ op: "join", parts }),
    stack: (parts) => add({ op: "stack", parts }),
    regroup: (x, features) => add({ op: "regroup", x, features }),
    takeRows: (x, rows) => add({ op: "takeRows", x, rows }),
    putRows: (x, values, rows, how) => add({ op: "putRows", x, values, rows, how }),
    blendRows: (table, ids, weights) => add({ op: "blendRows", table, ids, weights }),
    target() {},
  };
}
