import type { Replacements } from "@vlmopt/models";
import { memorySource, type TensorInfo, tensorNamed } from "@vlmopt/tensor-io/browser";
import type { ModelWeights } from "./model-weights.ts";

/**
 * Weights of which some are replaced by numbers in memory, of other shapes maybe. Executors hold what is made here apart from what they
 * hold of the weights below.
 * @throws {CheckpointError} where there is no weight of a name
 * @throws {RangeError} where numbers and shape of one do not agree
 */
export function replacedWeights(weights: ModelWeights, replacements: Replacements = new Map()): ModelWeights {
  const { checkpoint, find } = weights;
  const specs = new Map(weights.specs);
  const tensors = new Map(checkpoint.tensors);
  const sources = new Map(checkpoint.sources);
  const replaced = new Map<string, TensorInfo>();
  for (const [name, { shape, data }] of replacements) {
    if (!specs.has(name)) tensorNamed(checkpoint, name);
    const count = shape.reduce((product, size) => product * size, 1);
    if (count !== data.length) {
      throw new RangeError(`${name} is replaced by ${data.length} numbers, but [${shape}] has ${count}`);
    }
    const file = `${name} in memory`;
    const spec = { name, dtype: "F32", shape } as const;
    const tensor: TensorInfo = { ...spec, file, offset: 0, byteLength: data.byteLength };
    specs.set(name, spec);
    tensors.set(name, tensor);
    sources.set(file, memorySource(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), file));
    replaced.set(name, tensor);
  }
  return {
    checkpoint: { ...checkpoint, tensors, sources },
    specs,
    find(name) {
      const tensor = replaced.get(name);
      return tensor === undefined ? find(name) : { tensor, quantized: undefined };
    },
  };
}
