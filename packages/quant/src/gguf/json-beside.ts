import type { Checkpoint } from "@vlmopt/tensor-io";
import type { Json } from "./config-values.ts";
import { GgufError } from "./gguf-error.ts";

/**
 * The object in a JSON file beside the weights; undefined where there is no such file.
 * @throws {GgufError} where it is no JSON
 */
export async function jsonBeside(checkpoint: Checkpoint, name: string): Promise<Json | undefined> {
  const bytes = await checkpoint.readSibling(name);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Json;
  } catch (error) {
    throw new GgufError(`${checkpoint.location}: ${name} is no JSON: ${(error as Error).message}`);
  }
}
