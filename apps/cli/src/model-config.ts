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
