import { describeModel } from "@vlmopt/models";
import type { PruningModel } from "@vlmopt/pruning";
import { type Checkpoint, SourceError } from "@vlmopt/tensor-io";

/**
 * A checkpoint as a model that can be pruned.
 * @throws {SourceError} where config.json is missing or not JSON, or the weights are quantized already
 * @throws {ConfigError | ModelMismatchError} where it is of no family that is known, or not of these weights
 */
export async function readModel(source: Checkpoint): Promise<PruningModel> {
  const file = `${source.location}: config.json`;
  const bytes = await source.readSibling("config.json");
  if (bytes === undefined)
    throw new SourceError(file, "is not there", { hint: "name the folder of a whole model" });
  let config: unknown;
  try {
    config = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new SourceError(file, `is not valid JSON: ${(error as Error).message}`);
  }
  const quantized = (config as { quantization_config?: { quant_method?: unknown } } | null)
    ?.quantization_config;
  if (quantized !== undefined && quantized !== null) {
    throw new SourceError(
      file,
      `says that the weights are quantized already (${String(quantized.quant_method)})`,
      { hint: "dequantize them first, or take the dense model" },
    );
  }
  const description = describeModel(config, source.tensors);
  return { tensors: source.tensors, layers: description.languageModel.layers, description, config };
}
