import { type Checkpoint, SourceError } from "@vlmopt/tensor-io";

/**
 * The contents of config.json beside a checkpoint's weights.
 * @throws {SourceError} where there is none or it is not JSON
 */
export async function readConfigFile(checkpoint: Checkpoint): Promise<unknown> {
  const bytes = await checkpoint.readSibling("config.json");
  const file = `${checkpoint.location}: config.json`;
  if (bytes === undefined)
    throw new SourceError(file, "is not there", { hint: "name the folder of a whole model" });
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new SourceError(file, `is not valid JSON: ${(error as Error).message}`);
  }
}

/**
 * The same of a model whose weights are plain numbers.
 * @throws {SourceError} where they are stored in fewer bits
 */
export async function readPlainConfig(checkpoint: Checkpoint): Promise<unknown> {
  const config = await readConfigFile(checkpoint);
  const { quantization_config: quantization } = config as {
    quantization_config?: { quant_method?: unknown };
  };
  if (quantization === undefined) return config;
  throw new SourceError(
    `${checkpoint.location}: config.json`,
    `says that the weights are quantized already (${String(quantization.quant_method)})`,
    { hint: "run vlmopt dequantize first" },
  );
}
