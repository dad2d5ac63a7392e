import { neuronLinears, type PrunableLayer, PruningError } from "../prunable.ts";
import { highest, type NeuronTarget, neuronsToKeep } from "./choose.ts";
import { toRanges } from "./index-ranges.ts";
import type { Cut } from "./pruning-plan.ts";

export type NeuronRequest = NeuronTarget & {
  /** One array a layer, from `scoreNeurons` or from anywhere else. */
  readonly scores: readonly ArrayLike<number>[];
  /** The number that stays is a multiple of this: 128 unless told, which kernels like; 1 rounds nothing. */
  readonly divisor?: number;
  /** Layers to cut; all unless told. */
  readonly layers?: readonly number[];
  /** Allows layers of different sizes, which stock transformers does not load. */
  readonly uneven?: boolean;
};

export function cutNeurons(
  layers: readonly PrunableLayer[],
  kept: readonly number[],
  hiddenSize: number,
  request: NeuronRequest,
): Cut[] {
  const { scores, divisor = 128, uneven = false } = request;
  const chosen = request.layers ?? kept;
  const sizes = new Set(kept.map((layer) => scores[layer]?.length ?? 0));
  if (!uneven && (chosen.length !== kept.length || sizes.size > 1)) {
    throw new PruningError(
      `${chosen.length} of ${kept.length} layers would have fewer neurons than the others, and stock loaders know one intermediate size`,
      "prune all layers, or allow uneven sizes for a loader that knows them",
    );
  }
  return chosen.map((index) => {
    const layer = layers[index];
    const layerScores = scores[index];
    if (layer?.mlp === undefined || layerScores === undefined) {
      throw new PruningError(`layer ${index} has no MLP, or no scores were given for it`);
    }
    const { rows, columns } = neuronLinears(layer.mlp);
    const count = layerScores.length;
    const keep = neuronsToKeep(request, count, hiddenSize, divisor);
    return {
      layer: index,
      what: "neurons",
      count,
      kept: toRanges(highest(layerScores, keep)),
      size: 1,
      rows: rows.flatMap(({ weight, bias }) => (bias === undefined ? [weight] : [weight, bias])),
      columns: columns.map(({ weight }) => weight),
    };
  });
}
