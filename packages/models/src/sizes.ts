import type { ComponentName, Linear, ModelDescription } from "./description.ts";

/** Parameters of each component; a tied output layer counts once, as the embedding. */
export function parameterCounts(description: ModelDescription): Partial<Record<ComponentName, number>> {
  const counts: Partial<Record<ComponentName, number>> = {};
  for (const { component, shape } of description.weights) {
    counts[component] = (counts[component] ?? 0) + shape.reduce((product, size) => product * size, 1);
  }
  return counts;
}

/**
 * Floating-point operations of the language model for one new token after `context` others: 2 for each weight of its linears (the
 * output layer too, tied or not) and 4·numHeads·headDim a layer for each token attended to (scores and their sum).
 */
export function flopsPerToken(description: ModelDescription, context: number): number {
  const { layers, vocabSize, hiddenSize } = description.languageModel;
  const size = ({ inFeatures, outFeatures }: Linear) => 2 * inFeatures * outFeatures;
  let flops = 2 * vocabSize * hiddenSize;
  for (const { attention, mlp } of layers) {
    const { qProj, kProj, vProj, oProj, numHeads, headDim } = attention;
    const linears = mlp.kind === "gated" ? [mlp.gateProj, mlp.upProj, mlp.downProj] : [mlp.fc1, mlp.fc2];
    for (const linear of [qProj, kProj, vProj, oProj, ...linears]) flops += size(linear);
    flops += 4 * numHeads * headDim * (context + 1);
  }
  return flops;
}

/** Bytes that keys and values of one token take. */
export function kvCacheBytesPerToken(description: ModelDescription, bytesPerElement: number): number {
  return description.languageModel.layers.reduce(
    (sum, { attention }) => sum + 2 * attention.numKvHeads * attention.headDim * bytesPerElement,
    0,
  );
}
