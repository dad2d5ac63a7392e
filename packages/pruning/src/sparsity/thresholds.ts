import { builtModule, type Checkpoint, elementCount, tensorNamed } from "@vlmopt/tensor-io";
import type { Sparsity } from "../plan/pruning-plan.ts";
import { gatherStatistics, type PassOptions } from "../statistics-pass.ts";
import type { HistogramOptions } from "./histogram-stage.ts";
import { BINS, magnitudeBits } from "./magnitude.ts";
import type { SparsifyOptions } from "./sparsify-stage.ts";

/**
 * What to zero in each tensor so that, of each group, exactly the ⌊ratio·n⌉ smallest magnitudes go (PyTorch's l1_unstructured and
 * global_unstructured); of equal ones at the threshold, those that come first.
 */
export async function sparsityThresholds(
  checkpoint: Checkpoint,
  groups: readonly Sparsity[],
  options: PassOptions,
): Promise<ReadonlyMap<string, SparsifyOptions>> {
  const high = await count(
    checkpoint,
    groups.flatMap(({ tensors }) => tensors.map((name) => [name, undefined] as const)),
    options,
  );
  const coarse = groups.map((group) => ({ group, ...reach(group, high, toZero(checkpoint, group)) }));

  // Where a bin of the first step holds several magnitudes, the second step tells them apart.
  const fine = coarse.flatMap(({ group, bin }) => group.tensors.map((name) => [name, bin] as const));
  const isFine = ([name]: readonly [string, number]) =>
    magnitudeBits(tensorNamed(checkpoint, name).dtype, name).lowBits > 0;
  const low = await count(checkpoint, fine.filter(isFine), options);

  const result = new Map<string, SparsifyOptions>();
  for (const { group, bin, within } of coarse) {
    const refined = group.tensors.some((name) => low.has(name));
    const { bin: lowBin, within: zeroed } = refined ? reach(group, low, within) : { bin: 0, within };
    const threshold = refined ? bin * BINS + lowBin : bin;
    let ties = zeroed;
    for (const name of group.tensors) {
      const equal = (refined ? low : high).get(name)?.[refined ? lowBin : bin] ?? 0;
      result.set(name, { threshold, ties: Math.min(ties, equal) });
      ties -= Math.min(ties, equal);
    }
  }
  return result;
}

function toZero(checkpoint: Checkpoint, { tensors, ratio }: Sparsity): number {
  const elements = tensors.reduce((sum, name) => sum + elementCount(tensorNamed(checkpoint, name).shape), 0);
  const exact = ratio * elements;
  const floor = Math.floor(exact);
  // Python rounds halves to even.
  return exact - floor === 0.5 ? floor + (floor % 2) : Math.round(exact);
}

/** The bin in which a count over the group's tensors reaches `target`, and how many of that bin are still needed for it. */
function reach(
  { tensors }: Sparsity,
  counts: ReadonlyMap<string, Float64Array>,
  target: number,
): { bin: number; within: number } {
  let below = 0;
  for (let bin = 0; bin < BINS; bin++) {
    const here = tensors.reduce((sum, name) => sum + (counts.get(name)?.[bin] ?? 0), 0);
    if (below + here >= target) return { bin, within: target - below };
    below += here;
  }
  return { bin: BINS - 1, within: target - below };
}

function count(
  checkpoint: Checkpoint,
  tensors: readonly (readonly [string, number | undefined])[],
  options: PassOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const module = builtModule("histogram-stage", import.meta.url);
  const gatherings = tensors.map(([name, high]) => {
    const stageOptions: HistogramOptions = { high };
    return [name, { stage: { module, options: stageOptions }, shape: [BINS] }] as const;
  });
  return gatherStatistics(checkpoint, new Map(gatherings), options);
}
