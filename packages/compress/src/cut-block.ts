import type { ReplacedTensor, Replacements } from "@vlmopt/models";
import {
  type HeadChoice,
  neuronLinears,
  type PrunableAttention,
  type PrunableLinear,
  type PrunableMlp,
} from "@vlmopt/pruning";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { readUnits } from "./stored-matrix.ts";

/** Queries of the heads that stay, and keys and values where groups go. */
export async function cutHeads(
  source: Checkpoint,
  { qProj, kProj, vProj, headDim, numKvHeads }: PrunableAttention,
  { query, keyValue }: HeadChoice,
  signal: AbortSignal | undefined,
): Promise<Replacements> {
  const queries = await cutLinears(source, [qProj], query, headDim, signal);
  if (keyValue.length === numKvHeads) return queries;
  return new Map([...queries, ...(await cutLinears(source, [kProj, vProj], keyValue, headDim, signal))]);
}

/** Rows of the kept neurons in gate and up, or in fc1. */
export function cutNeurons(
  source: Checkpoint,
  mlp: PrunableMlp,
  neurons: readonly number[],
  signal: AbortSignal | undefined,
): Promise<Replacements> {
  return cutLinears(source, neuronLinears(mlp).rows, neurons, 1, signal);
}

async function cutLinears(
  source: Checkpoint,
  linears: readonly PrunableLinear[],
  units: readonly number[],
  size: number,
  signal: AbortSignal | undefined,
): Promise<Replacements> {
  const cut = new Map<string, ReplacedTensor>();
  for (const { weight, bias } of linears) {
    for (const name of bias === undefined ? [weight] : [weight, bias])
      cut.set(name, await readUnits(source, name, units, size, signal));
  }
  return cut;
}
