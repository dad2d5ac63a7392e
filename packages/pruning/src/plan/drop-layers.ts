import { type PrunableLayer, PruningError } from "../prunable.ts";
import { highest } from "./choose.ts";

/**
 * Which layers go: those named; the last n; n in the middle, centred before the last layer, which never goes (Gromov et al. 2024,
 * arXiv:2403.17887, find the deep middle the least needed); or the n of lowest score, from `scoreLayers` or from calibration.
 */
export type DepthRequest =
  | { readonly drop: readonly number[] }
  | { readonly last: number }
  | { readonly middle: number }
  | { readonly lowest: number; readonly scores: ArrayLike<number> };

/** @returns indices of the layers that stay */
export function layersToKeep(layers: readonly PrunableLayer[], request: DepthRequest | undefined): number[] {
  const count = layers.length;
  const all = Array.from({ length: count }, (_, i) => i);
  if (request === undefined) return all;
  const dropped = droppedLayers(count, request);
  for (const index of dropped) {
    if (!all.includes(index))
      throw new PruningError(`layer ${index} cannot go: there are layers 0 to ${count - 1}`);
  }
  const kept = all.filter((index) => !dropped.includes(index));
  if (kept.length === 0) throw new PruningError(`all ${count} layers would go`);
  return kept;
}

function droppedLayers(count: number, request: DepthRequest): readonly number[] {
  if ("drop" in request) return request.drop;
  const number = "last" in request ? request.last : "middle" in request ? request.middle : request.lowest;
  if (!Number.isSafeInteger(number) || number < 0 || number >= count) {
    throw new PruningError(`${number} of ${count} layers cannot go`);
  }
  const from = (first: number) => Array.from({ length: number }, (_, i) => first + i);
  if ("last" in request) return from(count - number);
  if ("middle" in request) return from(Math.max(0, Math.floor((count - 1 - number) / 2)));
  const kept = highest(request.scores, count - number);
  return Array.from({ length: count }, (_, i) => i).filter((index) => !kept.includes(index));
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
