import type { Activations, InputStatistics } from "@vlmopt/models";
import { neuronLinears, type PrunableLayer, type PrunableLinear, PruningError } from "@vlmopt/pruning";
import type { RoundedLinear } from "./methods/quantization-method.ts";

/** Linears that read the block's stream, and the one that adds to it. */
export function linearsOf(
  attention: PrunableLayer["attention"],
  mlp: PrunableLayer["mlp"],
  kind: "attention" | "mlp",
): readonly [readonly PrunableLinear[], PrunableLinear] {
  if (kind === "attention" && attention !== undefined)
    return [[attention.qProj, attention.kProj, attention.vProj], attention.oProj];
  if (kind === "mlp" && mlp !== undefined) {
    const { rows, columns } = neuronLinears(mlp);
    if (columns[0] !== undefined) return [rows, columns[0]];
  }
  throw new PruningError(`a layer has no ${kind} whose linears are known`);
}

/** Formats whose matrices share a scale of the whole are told the largest magnitude of all. */
export function withSharedMagnitude(linears: readonly RoundedLinear[]): readonly RoundedLinear[] {
  if (linears.length < 2 || !linears.some(({ format }) => format.sharesScales)) return linears;
  let magnitude = 0;
  for (const { data } of linears) for (const value of data) magnitude = Math.max(magnitude, Math.abs(value));
  return linears.map((linear) => ({ ...linear, magnitude }));
}

export function inputsOf(inputs: Activations, name: string): InputStatistics {
  const found = inputs.get(name);
  if (found === undefined) throw new PruningError(`nothing is known of what goes into ${name}`);
  return found;
}
