import type { Checkpoint } from "@vlmopt/tensor-io";
import type { Format, FoundWeight } from "../formats/format.ts";
import { formats } from "../formats/formats.ts";

/**
 * The weights of a checkpoint that are stored in a format which can be dequantized, by the name of the tensor that holds the numbers.
 * @param among `[...formats, yours]`, where there are others than vlmopt's
 * @throws {QuantizationError} where a weight lacks tensors, or is of another width
 */
export async function quantizedWeights(
  source: Checkpoint,
  among: readonly Format[] = formats,
): Promise<ReadonlyMap<string, FoundWeight>> {
  const found = new Map<string, FoundWeight>();
  for (const tensor of source.tensors.values()) {
    for (const format of among) {
      const tensors = await format.find(source, tensor);
      if (tensors === undefined) continue;
      found.set(tensor.name, { ...tensors, format, weight: { ...tensors.weight, format: format.name } });
      break;
    }
  }
  return found;
}
