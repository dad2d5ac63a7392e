import { neuronCount, type PrunableLayer, PruningError } from "../prunable.ts";
import { assertRatio } from "./choose.ts";

/** How many neurons stay: a ratio that goes, a number that stays, or that number as a multiple of the hidden size. */
export type NeuronTarget =
  | { readonly ratio: number }
  | { readonly keep: number }
  | { readonly expansion: number };

export type NeuronTargets = NeuronTarget & {
  /** The number that stays is rounded down to a multiple of this; see `defaultDivisor`. 1 rounds nothing. */
  readonly divisor?: number | undefined;
  /** Layers to cut; default: all. */
  readonly layers?: readonly number[] | undefined;
  /** Allows layers of different sizes, which stock transformers does not load. */
  readonly uneven?: boolean | undefined;
};

/** Neurons of each layer of the dense model, before and after. */
export interface NeuronSizes {
  readonly before: readonly number[];
  /** Of layers that go or are left alone, the same as before. */
  readonly after: readonly number[];
  readonly divisor: number;
}

/** @throws {PruningError} where the target lies outside the model, or layers would differ unasked */
export function neuronSizes(
  layers: readonly PrunableLayer[],
  tensors: Parameters<typeof neuronCount>[0],
  hiddenSize: number,
  target: NeuronTargets,
): NeuronSizes {
  const before = layers.map(({ mlp }) => (mlp === undefined ? 0 : neuronCount(tensors, mlp)));
  const chosen = target.layers ?? before.map((_, index) => index);
  const distinct = new Set(before);
  if (target.uneven !== true && (chosen.length !== layers.length || distinct.size > 1)) {
    throw new PruningError(
      `${chosen.length} of ${layers.length} layers would have fewer neurons than the others, and stock loaders know one intermediate size`,
      "prune all layers, or allow uneven sizes for a loader that knows them",
    );
  }
  const after = [...before];
  let divisor = target.divisor;
  for (const index of chosen) {
    const count = before[index];
    if (count === undefined || count === 0) throw new PruningError(`layer ${index} has no MLP`);
    const wanted = wantedNeurons(target, count, hiddenSize);
    divisor ??= defaultDivisor(wanted);
    after[index] = rounded(wanted, count, divisor);
  }
  return { before, after, divisor: divisor ?? 1 };
}

/**
 * Kernels like multiples of 128, and so do quantized groups, but small models have few of them: the largest power of two up to 128 that
 * takes away no more than 4 % of the neurons that stay.
 */
export function defaultDivisor(wanted: number): number {
  return [128, 64, 32, 16, 8, 4, 2].find((divisor) => (wanted % divisor) / wanted <= 0.04) ?? 1;
}

function wantedNeurons(target: NeuronTarget, count: number, hiddenSize: number): number {
  if ("ratio" in target) {
    assertRatio(target.ratio, "of neurons");
    return count - Math.floor(target.ratio * count);
  }
  const wanted = "keep" in target ? target.keep : Math.round(target.expansion * hiddenSize);
  if (Number.isSafeInteger(wanted) && wanted >= 1 && wanted <= count) return wanted;
  throw new PruningError(`${wanted} neurons cannot stay of ${count}`);
}

function rounded(wanted: number, count: number, divisor: number): number {
  if (!Number.isSafeInteger(divisor) || divisor < 1) {
    throw new PruningError(`divisor ${divisor} is not a whole number of at least 1`);
  }
  const kept = Math.floor(wanted / divisor) * divisor;
  if (kept === 0) {
    throw new PruningError(
      `${wanted} of ${count} neurons would stay, fewer than the divisor ${divisor}`,
      "choose a smaller divisor: 1 keeps any number",
    );
  }
  return kept;
}
