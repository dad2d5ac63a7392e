import type { Attribute, OnnxGraph, OnnxInitializer, OnnxNode, OnnxValue } from "./onnx-model.ts";

/** An initializer whose bytes may still have to be made. */
export type PendingInitializer = Omit<OnnxInitializer, "data"> & {
  readonly data: OnnxInitializer["data"] | { load(): Promise<Uint8Array> };
};

/** A graph that is being written down. Values are names. */
export interface GraphWriter {
  /** Adds a node of one output, and names that. Operators of ONNX Runtime's own begin with `com.microsoft.`. */
  node(
    operator: string,
    inputs: readonly (string | undefined)[],
    attributes?: Record<string, Attribute>,
  ): string;
  /** Adds a node of several outputs. */
  nodes(
    operator: string,
    inputs: readonly (string | undefined)[],
    count: number,
    attributes?: Record<string, Attribute>,
  ): string[];
  /** Once for each name. */
  initializer(tensor: PendingInitializer): string;
  /** Whole numbers, as shapes and axes are given. */
  integers(values: readonly number[], shape?: readonly number[]): string;
  /** A single number. */
  float(value: number): string;
  input(value: OnnxValue): string;
  output(value: OnnxValue): void;
  /** The value that one of two parts of the graph gives; which one, a truth value says when it runs. */
  choose(condition: string, whenTrue: () => string, whenFalse: () => string): string;
  /** What `make` names, made once for each key. */
  once(key: string, make: () => string): string;
  /** Without what leads to no output so far. */
  finish(): Omit<OnnxGraph, "initializers"> & { readonly initializers: readonly PendingInitializer[] };
}

export function graphWriter(): GraphWriter {
  let nodes: OnnxNode[] = [];
  const initializers = new Map<string, PendingInitializer>();
  const inputs: OnnxValue[] = [];
  const outputs: OnnxValue[] = [];
  let made = new Map<string, string>();
  let count = 0;
  const add: GraphWriter["nodes"] = (operator, given, outputCount, attributes = {}) => {
    const names = Array.from({ length: outputCount }, () => `v${count++}`);
    const [domain, own] = operator.startsWith(MICROSOFT)
      ? [MICROSOFT.slice(0, -1), operator.slice(MICROSOFT.length)]
      : [undefined, operator];
    nodes.push({
      operator: own,
      inputs: given.map((input) => input ?? ""),
      outputs: names,
      attributes,
      ...(domain === undefined ? {} : { domain }),
    });
    return names;
  };
  const initializer = (tensor: PendingInitializer) => {
    if (!initializers.has(tensor.name)) initializers.set(tensor.name, tensor);
    return tensor.name;
  };
  /** What is made inside of a branch is known there alone. */
  const branch = (make: () => string) => {
    const around = { nodes, made };
    nodes = [];
    made = new Map(made);
    const output = make();
    const inside = nodes;
    ({ nodes, made } = around);
    return { branch: { nodes: inside, output } };
  };
  return {
    choose(condition, whenTrue, whenFalse) {
      const branches = { then_branch: branch(whenTrue), else_branch: branch(whenFalse) };
      return add("If", [condition], 1, branches)[0] as string;
    },
    node: (operator, given, attributes) => add(operator, given, 1, attributes)[0] as string,
    nodes: add,
    initializer,
    integers(values, shape = [values.length]) {
      const data = new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
      return initializer({ name: `i64[${shape}]:${values}`, type: "I64", shape, data });
    },
    float(value) {
      const data = new Uint8Array(Float32Array.of(value).buffer);
      return initializer({ name: `f32:${value}`, type: "F32", shape: [], data });
    },
    input(value) {
      inputs.push(value);
      return value.name;
    },
    output: (value) => void outputs.push(value),
    once(key, make) {
      const existing = made.get(key);
      if (existing !== undefined) return existing;
      const name = make();
      made.set(key, name);
      return name;
    },
    finish() {
      const needed = new Set(outputs.map(({ name }) => name));
      const used = nodes.toReversed().filter((node) => {
        const isUsed = node.outputs.some((name) => needed.has(name));
        if (isUsed) for (const name of inputsOf(node)) needed.add(name);
        return isUsed;
      });
      return {
        nodes: used.reverse(),
        initializers: [...initializers.values()].filter(({ name }) => needed.has(name)),
        inputs: [...inputs],
        outputs: [...outputs],
      };
    },
  };
}

const MICROSOFT = "com.microsoft.";

/** What a node takes, and what its branches take of the values around them. */
function inputsOf({ inputs, attributes }: OnnxNode): string[] {
  const branches = Object.values(attributes).flatMap((value) =>
    typeof value === "object" && "branch" in value ? [value.branch] : [],
  );
  return [
    ...inputs,
    ...branches.flatMap(({ nodes, output }) => [output, ...nodes.flatMap((node) => inputsOf(node))]),
  ];
}
