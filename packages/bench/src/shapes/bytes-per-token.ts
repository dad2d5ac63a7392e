import type { ModelDescription } from "@vlmopt/models";
import { quantizedWeights } from "@vlmopt/quant";
import type { Checkpoint } from "@vlmopt/tensor-io";

/**
 * Bytes of weights that every new token makes a model read, as they are stored: all of the language model's, the tables of tokens and of
 * positions apart, of which a row is looked up; the table of tokens counts where it is the output layer too.
 */
export async function bytesPerToken(checkpoint: Checkpoint, description: ModelDescription): Promise<number> {
  const partsOf = new Map(
    [...(await quantizedWeights(checkpoint))].map(([tensor, { name, parts }]) => [name, [tensor, ...parts]]),
  );
  const { lmHead } = description.languageModel;
  return description.weights
    .filter(({ component }) => component === "languageModel")
    .filter(({ role }) => role !== "positionEmbedding" && (role !== "embedding" || lmHead === undefined))
    .flatMap(({ name }) => partsOf.get(name) ?? [name])
    .reduce((sum, tensor) => sum + (checkpoint.tensors.get(tensor)?.byteLength ?? 0), 0);
}
