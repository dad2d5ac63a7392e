import { ConfigError } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";

export type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON file beside the weights; undefined where there is none.
 * @throws {ConfigError} where it is there and holds no JSON
 */
export async function readJson(
  { location, readSibling }: Pick<Checkpoint, "location" | "readSibling">,
  name: string,
): Promise<Json | undefined> {
  const bytes = await readSibling(name);
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as Json;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${name} of ${location} is no JSON: ${reason}`);
  }
}
