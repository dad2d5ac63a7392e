import type { CalibrationWalk } from "@vlmopt/models";
import { type ActivationScorer, neuronLinears, type PrunableLayer, PruningError } from "@vlmopt/pruning";
import { type Checkpoint, tensorNamed } from "@vlmopt/tensor-io";
import { readFloats } from "./stored-matrix.ts";

/**
 * Neurons that each layer keeps, of all that stay together: scores are standardised in each layer and the lowest of all go, as FLAP does
 * (arXiv:2312.11983).
 * @param walk through the dense model; it is at its end afterwards
 * @param total neurons of all layers that stay, by number
 * @returns by layer of the dense model, each a multiple of `divisor` and at least one of them
 */
export async function allocateWidths(
  source: Checkpoint,
  walk: CalibrationWalk,
  layers: readonly PrunableLayer[],
  scorer: ActivationScorer,
  {
    total,
    divisor,
    signal,
  }: { readonly total: number; readonly divisor: number; readonly signal: AbortSignal | undefined },
): Promise<number[]> {
  const scores: Float64Array[] = [];
  for (const { layer, kind } of walk.blocks) {
    signal?.throwIfAborted();
    const mlp = layers[layer]?.mlp;
    const last = mlp && neuronLinears(mlp).columns[0]?.weight;
    if (kind === "mlp" && last !== undefined) {
      const { inputs } = await walk.observe({});
      const found = inputs.get(last);
      if (found === undefined) throw new PruningError(`nothing is known of what goes into ${last}`);
      const [outFeatures = 1, count = 1] = tensorNamed(source, last).shape;
      const weight = await readFloats(source, last, signal);
      const figures = { count, size: 1, keep: count, parts: 1, weight, outFeatures, inputs: found };
      scores[layer] = standardised(await scorer.score(figures));
    }
    await walk.advance();
  }
  return widthsOf(scores, total, divisor);
}

/** @param scores by layer; layers that are not there have none */
export function widthsOf(
  scores: readonly (Float64Array | undefined)[],
  total: number,
  divisor: number,
): number[] {
  const sorted = Float64Array.from(scores.flatMap((layer) => [...(layer ?? [])]))
    .sort()
    .reverse();
  const threshold = sorted[Math.min(total, sorted.length) - 1] ?? Number.NEGATIVE_INFINITY;
  return Array.from(scores, (layer) => {
    if (layer === undefined) return 0;
    const above = layer.filter((score) => score >= threshold).length;
    const most = Math.floor(layer.length / divisor) * divisor;
    return Math.max(divisor, Math.min(most, Math.round(above / divisor) * divisor));
  });
}

function standardised(scores: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(scores);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (variance > 0 ? (value - mean) / Math.sqrt(variance) : 0));
}
