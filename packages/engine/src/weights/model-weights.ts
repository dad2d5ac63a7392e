import {
  dequantize,
  type Format,
  type FoundWeight,
  quantizedWeights,
  readParts,
} from "@vlmopt/quant/browser";
import {
  type Checkpoint,
  readTensor,
  type TensorInfo,
  type TensorSpec,
  tensorNamed,
  toFloat32,
} from "@vlmopt/tensor-io/browser";

/** The weights of a model, however its checkpoint stores them. */
export interface ModelWeights {
  readonly checkpoint: Checkpoint;
  /** Every weight as if it were stored in full: what `describeModel` takes. */
  readonly specs: ReadonlyMap<string, TensorSpec>;
  /** @throws {CheckpointError} where there is no such weight */
  find(name: string): StoredWeight;
}

export interface StoredWeight {
  /** The tensor that holds its numbers. */
  readonly tensor: TensorInfo;
  /** How they are to be read, of quantized ones. */
  readonly quantized: FoundWeight | undefined;
}

/** @param formats `[...formats, yours]` of @vlmopt/quant, where there are others than its own */
export async function modelWeights(
  checkpoint: Checkpoint,
  formats?: readonly Format[],
): Promise<ModelWeights> {
  const quantized = await quantizedWeights(checkpoint, formats);
  const byName = new Map([...quantized].map(([tensor, found]) => [found.name, { tensor, found }]));
  const parts = new Set([...quantized.values()].flatMap(({ parts: names }) => names));
  const specs = new Map<string, TensorSpec>();
  for (const { name, dtype, shape } of checkpoint.tensors.values()) {
    if (parts.has(name)) continue;
    const found = quantized.get(name);
    if (found === undefined) specs.set(name, { name, dtype, shape });
    else specs.set(found.name, { name: found.name, dtype: found.weight.dtype, shape: found.weight.shape });
  }
  return {
    checkpoint,
    specs,
    find(name) {
      const stored = byName.get(name);
      return stored === undefined
        ? { tensor: tensorNamed(checkpoint, name), quantized: undefined }
        : { tensor: tensorNamed(checkpoint, stored.tensor), quantized: stored.found };
    },
  };
}

/** A weight's numbers, decoded where they are stored in fewer bits. */
export async function readFloats({ checkpoint, find }: ModelWeights, name: string): Promise<Float32Array> {
  const { tensor, quantized } = find(name);
  const bytes = await readTensor(checkpoint, tensor.name);
  return quantized === undefined
    ? toFloat32(bytes, tensor.dtype)
    : toFloat32(dequantize(quantized, bytes, await readParts(checkpoint, quantized.weight), "F32"), "F32");
}
