// What a recorded pass becomes: operations that one kernel can do together are put together, and nothing is computed yet.
import type { Activation } from "@vlmopt/models";
import {
  type AttentionNode,
  type LinearNode,
  type Node,
  type NormNode,
  type RecordedPass,
  readsOf,
  type Value,
} from "../recorded-pass.ts";
import type { MapName } from "./kernels/activation.ts";

/** x·Wᵀ of weights that lie one below the other in one buffer, with what is done before and after. */
export interface FusedLinear {
  readonly op: "fusedLinear";
  readonly x: Value;
  /** x is normed first; kernels for many tokens do that beforehand. */
  readonly norm: NormNode | undefined;
  readonly weights: readonly LinearNode[];
  readonly activation: MapName;
  /** Of two weights: act(first) · second is what is wanted. */
  readonly gated: Activation | undefined;
  /** Added to the result. */
  readonly residual: Value | undefined;
  /** One for each weight, or one. */
  readonly outputs: readonly Value[];
}

/** Attention whose queries, and keys if they are kept, are still to be rotated. */
export interface FusedAttention extends Omit<AttentionNode, "op"> {
  readonly op: "fusedAttention";
  readonly rotary: { readonly cos: Value; readonly sin: Value } | undefined;
  readonly output: Value;
}

export type Step =
  | FusedLinear
  | FusedAttention
  | (Exclude<Node, LinearNode | AttentionNode> & { readonly output: Value });

export interface FusedPass {
  readonly steps: readonly Step[];
  readonly outputs: RecordedPass["outputs"];
}

/** @param stackable whether weights may lie one below the other: they have one format, and rows of one length */
export function fusePass(
  { nodes, outputs }: Pick<RecordedPass, "nodes" | "outputs">,
  stackable: (a: string, b: string) => boolean,
): FusedPass {
  const readers = readersOf(nodes, outputs);
  /** The one node that reads a value, if it is one. */
  const onlyReader = (value: Value): Value | undefined =>
    readers[value]?.length === 1 ? readers[value]?.[0] : undefined;
  const used = usesOfWeights(nodes);
  const done = new Set<Value>();
  const steps: Step[] = [];

  /** Takes the step back that gives a value, since another one does its work. @returns whether there is one */
  function takeBack(value: Value): boolean {
    const at = steps.findLastIndex((step) => "output" in step && step.output === value);
    if (at >= 0) steps.splice(at, 1);
    return at >= 0;
  }

  /** Weights of several products, which are on the card once, lie alone. */
  const standsAlone = ({ transposed, weight }: LinearNode) => transposed || (used.get(weight) ?? 0) > 1;

  function linearStep(first: Value, node: LinearNode): FusedLinear {
    const members = [first];
    // What is wanted behind the next attention, such as another layer's keys of the same rows, would only lie there till then.
    const attention = nodes.findIndex(({ op }, at) => at > first && op === "attention");
    for (const other of readers[node.x] ?? []) {
      const candidate = nodes[other];
      if (other <= first || done.has(other) || candidate?.op !== "linear") continue;
      if (attention >= 0 && other > attention) break;
      if (standsAlone(node) || standsAlone(candidate) || !stackable(node.weight, candidate.weight)) continue;
      members.push(other);
    }
    for (const member of members) done.add(member);
    const weights = members.map((member) => nodes[member] as LinearNode);
    const step = { op: "fusedLinear", x: node.x, norm: undefined, weights } as const;
    const plain = { ...step, activation: "none", gated: undefined, residual: undefined } as const;
    const [gate, up] = members;
    const reader = onlyReader(first);
    const after = reader === undefined ? undefined : nodes[reader];
    if (members.length === 2 && after?.op === "gated" && after.gate === gate && after.up === up) {
      if (onlyReader(up as Value) === reader) {
        done.add(reader as Value);
        return { ...plain, gated: after.activation, outputs: [reader as Value] };
      }
    }
    if (members.length > 1) return { ...plain, outputs: members };
    let result = first;
    let activation: MapName = "none";
    if (after?.op === "map") {
      activation = after.function;
      result = reader as Value;
      done.add(result);
    }
    const sum = onlyReader(result);
    const adding = sum === undefined ? undefined : nodes[sum];
    if (adding?.op === "add") {
      const residual = adding.a === result ? adding.b : adding.a;
      // What is added has to be there by then, and must not be repeated from row to row.
      if (residual !== result && residual < first && nodes[residual]?.op !== "weight") {
        done.add(sum as Value);
        return { ...plain, activation, residual, outputs: [sum as Value] };
      }
    }
    return { ...plain, activation, outputs: [result] };
  }

  /** A norm that nobody but this product reads is done with it. */
  function withNorm(step: FusedLinear): FusedLinear {
    const norm = nodes[step.x];
    if (norm?.op !== "norm" || norm.weight === undefined || norm.heads !== 1) return step;
    const own = step.weights.length === readers[step.x]?.length;
    return own && takeBack(step.x) ? { ...step, x: norm.x, norm } : step;
  }

  function attentionStep(output: Value, node: AttentionNode): FusedAttention {
    const [q, k] = [nodes[node.q], nodes[node.k]];
    const step = { ...node, op: "fusedAttention", rotary: undefined, output } as const;
    if (q?.op !== "rotate" || k?.op !== "rotate" || node.cached === undefined) return step;
    if (onlyReader(node.q) !== output || onlyReader(node.k) !== output) return step;
    takeBack(node.q);
    takeBack(node.k);
    return { ...step, q: q.x, k: k.x, rotary: { cos: q.cos, sin: q.sin } };
  }

  for (const [value, node] of nodes.entries()) {
    if (done.has(value) || readers[value]?.length === 0) continue;
    if (node.op === "linear") steps.push(withNorm(linearStep(value, node)));
    else if (node.op === "attention") steps.push(attentionStep(value, node));
    else steps.push({ ...node, output: value });
  }
  return { steps, outputs };
}

/** Values that a step reads. */
export function stepReads(step: Step): readonly Value[] {
  if (step.op === "fusedLinear") return [step.x, ...(step.residual === undefined ? [] : [step.residual])];
  if (step.op !== "fusedAttention") return readsOf(step);
  const { q, k, v, bias, rotary } = step;
  return [
    q,
    k,
    v,
    ...(bias === undefined ? [] : [bias]),
    ...(rotary === undefined ? [] : Object.values(rotary)),
  ];
}

function usesOfWeights(nodes: readonly Node[]): ReadonlyMap<string, number> {
  const uses = new Map<string, number>();
  for (const node of nodes) {
    if (node.op === "linear") uses.set(node.weight, (uses.get(node.weight) ?? 0) + 1);
  }
  return uses;
}

/** The nodes that read each value, and are read themselves; a pass's output has a reader that is no node. */
function readersOf(nodes: readonly Node[], outputs: Readonly<Record<string, Value>>): Value[][] {
  const readers: Value[][] = nodes.map(() => []);
  for (const value of Object.values(outputs)) readers[value]?.push(-1);
  for (const [reader, node] of [...nodes.entries()].reverse()) {
    if (readers[reader]?.length === 0) continue;
    for (const value of readsOf(node)) readers[value]?.unshift(reader);
  }
  return readers;
}
