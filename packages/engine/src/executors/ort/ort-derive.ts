import type { ForwardPass, Parameters } from "@vlmopt/models";
import type * as ort from "onnxruntime-node";
import { releaseOnce } from "../../release-once.ts";
import type { ModelWeights } from "../../weights/model-weights.ts";
import type { DerivedPass, DeriveOptions, LossTerm, PassInput } from "../executor.ts";
import { dependentValues, recordPass, type Value } from "../recorded-pass.ts";
import { onnxRuntime } from "./onnx-runtime.ts";
import { type DerivedNode, derivedNode, type GradientContext, type GraphValue } from "./ort-gradients.ts";
import { type GraphWriter, graphWriter } from "./ort-graph.ts";
import { createSession, ortTensor, type SessionOptions } from "./ort-session.ts";
import { linearWeights } from "./ort-weights.ts";

/**
 * A graph of a pass, its loss, and the derivatives of that: operations in order, then back through them.
 * @throws {TypeError} where the loss depends on a trained weight by an operation that is not derived
 */
export async function derive(
  pass: ForwardPass,
  weights: ModelWeights,
  { trained, loss: terms }: DeriveOptions,
  options: SessionOptions,
): Promise<DerivedPass> {
  const { nodes, outputs } = recordPass(pass);
  const graph = graphWriter();
  const linears = linearWeights(graph, weights, "float32");
  const shapeOf = (name: string) => trained.get(name) ?? weights.specs.get(name)?.shape ?? [];
  const done: DerivedNode[] = [];
  const context: GradientContext = {
    graph,
    resultOf: (value) => done[value] as GraphValue,
    shapeOf,
    lookUp: linears.lookUp,
    weight(name, shape) {
      if (!trained.has(name)) return linears.float(name, shape);
      return shape === undefined || `${shape}` === `${shapeOf(name)}`
        ? name
        : graph.node("Reshape", [name, graph.integers(shape)]);
    },
  };
  const inputNames: string[] = [];
  const declare = (name: string, type: "F32" | "I32", shape: readonly (number | undefined)[]) => {
    graph.input({ name, type, shape: shape.map((size, axis) => size ?? `${name}.${axis}`) });
    inputNames.push(name);
  };
  for (const [name, shape] of trained) graph.input({ name, type: "F32", shape });
  for (const node of nodes) {
    if (node.op !== "input") {
      done.push(derivedNode(node, context));
      continue;
    }
    const { shape } = pass.inputs[node.name] ?? { shape: [] };
    declare(node.name, node.dtype, shape);
    done.push({ name: node.name, features: shape.at(-1) ?? 1, back: () => [] });
  }
  const valueOfOutput = (name: string): Value => {
    const found = outputs[name];
    if (found === undefined) throw new TypeError(`the pass gives no ${name} to derive`);
    return found;
  };
  const derivatives = new Map<Value | string, string>();
  const gather = (of: Value | string, derivative: string) => {
    const earlier = derivatives.get(of);
    derivatives.set(of, earlier === undefined ? derivative : graph.node("Add", [earlier, derivative]));
  };
  const losses = terms.map((term) => {
    const value = valueOfOutput(term.output);
    const { name, features } = done[value] as GraphValue;
    if (!inputNames.includes(term.aim)) declare(term.aim, "F32", [1, undefined, features]);
    const { loss, derivative } = writeTerm(graph, name, term);
    gather(value, derivative);
    return loss;
  });
  const loss = losses.reduce((a, b) => graph.node("Add", [a, b]));
  graph.output({ name: loss, type: "F32", shape: [] });
  // Sessions carry out what leads to their outputs: one for the loss alone carries out no derivatives.
  const valueOnly = graph.finish();
  const depends = dependentValues(nodes, trained);
  for (let value = nodes.length - 1; value >= 0; value--) {
    const derivative = derivatives.get(value);
    if (derivative === undefined || depends[value] !== true) continue;
    for (const [of, more] of (done[value] as DerivedNode).back(derivative)) {
      if (typeof of === "string" ? trained.has(of) : depends[of] === true) gather(of, more);
    }
  }
  const found = [...trained.keys()].filter((name) => derivatives.has(name));
  for (const name of found)
    graph.output({ name: derivatives.get(name) as string, type: "F32", shape: shapeOf(name) });
  const session = await createSession(graph.finish(), options);
  let lossSession: Promise<ort.InferenceSession> | undefined;

  const feedsOf = (inputs: Readonly<Record<string, PassInput>>, parameters: Parameters) => {
    const { Tensor } = onnxRuntime();
    const feeds: Record<string, ort.Tensor> = {};
    for (const name of inputNames) feeds[name] = ortTensor(inputs[name], name);
    for (const [name, shape] of trained) {
      const numbers = parameters.get(name);
      if (numbers === undefined) throw new TypeError(`the pass needs the numbers of ${name}`);
      feeds[name] = new Tensor("float32", numbers, shape);
    }
    return feeds;
  };
  const lossOf = (results: ort.InferenceSession.OnnxValueMapType) =>
    ((results[loss] as ort.Tensor).data as Float32Array)[0] as number;
  return {
    async run(inputs, parameters) {
      const results = await session.run(feedsOf(inputs, parameters));
      const gradients = found.map((name) => {
        const { data } = results[derivatives.get(name) as string] as ort.Tensor;
        return [name, data as Float32Array] as const;
      });
      return { loss: lossOf(results), gradients: new Map(gradients) };
    },
    async loss(inputs, parameters) {
      lossSession ??= createSession(valueOnly, options);
      return lossOf(await (await lossSession).run(feedsOf(inputs, parameters)));
    },
    release: releaseOnce(async () => {
      await session.release();
      await (await lossSession)?.release();
    }),
  };
}

/** A term of the loss, and its derivative by the output. */
function writeTerm(graph: GraphWriter, output: string, { aim, kind, temperature = 1, weight = 1 }: LossTerm) {
  const node = graph.node;
  const times = (x: string, factor: number) => (factor === 1 ? x : node("Mul", [x, graph.float(factor)]));
  const total = (x: string) => node("ReduceSum", [x], { keepdims: 0 });
  if (kind === "squares") {
    const difference = node("Sub", [output, aim]);
    const size = node("ReduceSum", [node("Mul", [aim, aim]), graph.integers([-1])], { keepdims: 1 });
    const relative = node("Div", [difference, size]);
    return {
      loss: times(total(node("Mul", [difference, relative])), weight),
      derivative: times(relative, 2 * weight),
    };
  }
  const shares = (logits: string) => node("LogSoftmax", [times(logits, 1 / temperature)], { axis: -1 });
  const [own, wanted] = [shares(output), shares(aim)];
  const likely = node("Exp", [wanted]);
  return {
    loss: times(total(node("Mul", [likely, node("Sub", [wanted, own])])), weight * temperature ** 2),
    derivative: times(node("Sub", [node("Exp", [own]), likely]), weight * temperature),
  };
}
