import { type PrunableLayer, PruningError } from "../prunable.ts";
import { highest } from "./choose.ts";

/**
 * Which layers go: those named; the last n; n in the middle, centred before the last layer, which never goes (Gromov et al. 2024,
 * arXiv:2403.17887, find the deep middle the least needed); or the n of lowest score, from `scoreLayers` or from calibration.
 */
export type DepthTargets =
  | { readonly drop: readonly number[] }
  | { readonly last: number }
  | { readonly middle: number }
  | { readonly lowest: number };

/** @throws {PruningError} where there are not so many layers */
export function layersThatStay(count: number, target: DepthTargets | undefined): number {
  if (target === undefined) return count;
  if ("drop" in target) {
    const outside = target.drop.find((index) => !Number.isSafeInteger(index) || index < 0 || index >= count);
    if (outside !== undefined) {
      throw new PruningError(`layer ${outside} cannot go: there are layers 0 to ${count - 1}`);
    }
    const left = count - new Set(target.drop).size;
    if (left === 0) throw new PruningError(`all ${count} layers would go`);
    return left;
  }
  const number = "last" in target ? target.last : "middle" in target ? target.middle : target.lowest;
  if (!Number.isSafeInteger(number) || number < 0 || number >= count) {
    throw new PruningError(`${number} of ${count} layers cannot go`);
  }
  return count - number;
}

/** @returns indices of the layers that stay, ascending; `scores` are needed for the lowest */
export function chooseLayers(
  count: number,
  target: DepthTargets | undefined,
  scores?: ArrayLike<number>,
): number[] {
  const stay = layersThatStay(count, target);
  const all = Array.from({ length: count }, (_, i) => i);
  if (target === undefined) return all;
  if ("lowest" in target) {
    if (scores?.length !== count) {
      throw new PruningError(`the model has ${count} layers and ${scores?.length ?? 0} scores of layers`);
    }
    return highest(scores, stay, "layers");
  }
  const first = "last" in target ? stay : Math.max(0, Math.floor((stay - 1) / 2));
  const dropped = "drop" in target ? target.drop : all.slice(first, first + count - stay);
  return all.filter((index) => !dropped.includes(index));
}

/**
 * Tensors of dropped layers, and the new names of those behind them: the n-th layer that stays takes the names of layer n, tensor by
 * tensor.
 */
export function renumber(
  layers: readonly PrunableLayer[],
  kept: readonly number[],
): { drop: string[]; rename: Record<string, string> } {
  if (kept.length === layers.length) return { drop: [], rename: {} };
  const weightsOf = (index: number): readonly string[] => {
    const weights = layers[index]?.weights;
    if (weights === undefined)
      throw new PruningError(`to drop layers, the tensors of layer ${index} must be named`);
    return weights;
  };
  const drop = layers.flatMap((_, index) => (kept.includes(index) ? [] : [...weightsOf(index)]));
  const pairs = kept.flatMap((from, to) =>
    weightsOf(from).map((name, i) => [name, weightsOf(to)[i] as string] as const),
  );
  return { drop, rename: Object.fromEntries(pairs.filter(([name, target]) => name !== target)) };
}
