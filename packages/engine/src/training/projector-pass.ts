// A picture's encoder in two: what sees, which stays as it is, and the projector behind it, which learns.
import { ConfigError, type ForwardPass, type ModelDescription, type Ops } from "@vlmopt/models";
import {
  dependentValues,
  type Node,
  readsOf,
  recordPass,
  type Value,
  weightsOf,
} from "../executors/recorded-pass.ts";

export interface ProjectorSplit {
  /** Names of the projector's weights. */
  readonly trained: readonly string[];
  /** From a picture to `seen` `[…, rows, features]`, what goes into the projector. */
  readonly before: ForwardPass;
  /** From `seen` of any number of pictures, one after the other, to `features`. */
  readonly projector: ForwardPass;
}

/** Operations that look at rows, or whole groups of them, one by one: what they give of several pictures is what they give of each. */
const byRow: ReadonlySet<Node["op"]> = new Set(["linear", "norm", "map", "gated", "scale", "add", "regroup"]);

/** @throws {ConfigError} where a model has no projector, or one that does more than to project rows */
export function splitAtProjector(
  encoder: ForwardPass,
  { weights, modelType }: ModelDescription,
): ProjectorSplit {
  const names = new Set(weights.filter(({ component }) => component === "projector").map(({ name }) => name));
  const { nodes, outputs } = recordPass(encoder);
  const depends = dependentValues(nodes, names);
  const learned = nodes.filter((_, value) => depends[value]);
  const read = new Set(learned.flatMap(readsOf).filter((value) => !depends[value]));
  const [seen, ...others] = read;
  const other = learned.find(({ op }) => !byRow.has(op));
  const { features = -1 } = outputs;
  if (seen === undefined || others.length > 0 || other !== undefined || Object.keys(outputs).length > 1) {
    throw new ConfigError(
      `the projector of a ${modelType} does more than to project rows${other === undefined ? "" : ` (${other.op})`}, so that it cannot be trained alone: train its layers`,
    );
  }
  const size = widthOf(nodes, seen, weights);
  return {
    trained: [...weightsOf({ nodes: learned })],
    before: {
      inputs: encoder.inputs,
      run: <T>(ops: Ops<T>, given: Readonly<Record<string, T>>) => {
        const known = new Map<Value, T>();
        for (const [value, node] of nodes.entries())
          if (node.op === "input") known.set(value, given[node.name] as T);
        return { seen: replayed(ops, nodes, seen, known) };
      },
    },
    projector: {
      inputs: { seen: { dtype: "F32", shape: [1, undefined, size] } },
      run: <T>(ops: Ops<T>, given: Readonly<Record<string, T>>) => ({
        features: replayed(ops, nodes, features, new Map([[seen, given.seen as T]])),
      }),
    },
  };
}

/** Features of what goes into the first linear that reads a value, groups of rows taken apart. */
function widthOf(nodes: readonly Node[], seen: Value, weights: ModelDescription["weights"]): number {
  const columns = (value: Value): number | undefined => {
    for (const [next, node] of nodes.entries()) {
      if (!readsOf(node).includes(value)) continue;
      if (node.op === "linear")
        return (weights.find(({ name }) => name === node.weight)?.shape ?? [])
          .slice(1)
          .reduce((a, b) => a * b, 1);
      const found = columns(next);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return columns(seen) ?? 1;
}

/** Carries out the operations that lead to a value. */
function replayed<T>(ops: Ops<T>, nodes: readonly Node[], wanted: Value, known: Map<Value, T>): T {
  const get = (value: Value): T => {
    const found = known.get(value);
    if (found !== undefined) return found;
    const made = carriedOut(ops, nodes, value, get);
    known.set(value, made);
    return made;
  };
  return get(wanted);
}

function carriedOut<T>(ops: Ops<T>, nodes: readonly Node[], value: Value, get: (value: Value) => T): T {
  const node = nodes[value] as Node;
  const optional = (of: Value | undefined) => (of === undefined ? undefined : get(of));
  switch (node.op) {
    case "embed":
      return ops.embed(get(node.ids), node.table);
    case "weight":
      return ops.weight(node.name, node.shape);
    case "linear": {
      const source = nodes[node.x];
      if (source?.op === "unfold")
        return ops.patches(get(source.pixels), node.weight, source.size, node.bias);
      return node.transposed
        ? ops.linearTransposed(get(node.x), node.weight, node.bias as string)
        : ops.linear(get(node.x), node.weight, node.bias);
    }
    case "norm":
      if (node.kind === "layer") return ops.layerNorm(get(node.x), node.eps, node.weight, node.bias);
      return node.heads === 1
        ? ops.rmsNorm(get(node.x), node.weight as string, node.eps, node.offset)
        : ops.headRmsNorm(get(node.x), node.weight as string, node.eps, node.heads);
    case "map":
      return node.function === "tanh" ? ops.tanh(get(node.x)) : ops.activate(get(node.x), node.function);
    case "gated":
      return ops.gated(get(node.gate), get(node.up), node.activation);
    case "scale":
      return ops.scale(get(node.x), node.factor);
    case "add":
      return ops.add(get(node.a), get(node.b));
    case "rotate":
      return ops.rotate(get(node.x), { cos: get(node.cos), sin: get(node.sin) }, node.heads);
    case "attention":
      return ops.attention(get(node.q), get(node.k), get(node.v), node.shape, optional(node.bias));
    case "prepend":
      return ops.prepend(get(node.x), get(node.rows));
    case "repeat":
      return ops.repeat(get(node.rows), get(node.like));
    case "tokensFrom":
      return ops.tokensFrom(get(node.x), node.first);
    case "part":
      return ops.split(get(node.x), node.parts)[node.part] as T;
    case "join":
      return ops.join(node.parts.map(get));
    case "stack":
      return ops.stack(node.parts.map(get));
    case "regroup":
      return ops.regroup(get(node.x), node.features);
    case "takeRows":
      return ops.takeRows(get(node.x), get(node.rows));
    case "putRows":
      return ops.putRows(get(node.x), get(node.values), get(node.rows), node.how);
    case "blendRows":
      return ops.blendRows(node.table, get(node.ids), get(node.weights));
    default:
      throw new TypeError(`a picture's encoder has the operation ${node.op}, which is not carried out again`);
  }
}
