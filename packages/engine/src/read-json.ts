import { ConfigError } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";

export type Json = Readonly<Record<string, unknown>>;

type Siblings = Pick<Checkpoint, "location" | "readSibling">;

/**
 * Reads a file of text beside the weights; undefined where there is none.
 * @throws {ConfigError} where it is not UTF-8
 */
export async function readText(
  { location, readSibling }: Siblings,
  name: string,
): Promise<string | undefined> {
  const bytes = await readSibling(name);
  if (bytes === undefined) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ConfigError(`${name} of ${location} is no text in UTF-8`, { cause: error });
  }
}

/**
 * Reads a JSON file beside the weights; undefined where there is none.
 * @throws {ConfigError} where it is there and holds no object of JSON
 */
export async function readJson(checkpoint: Siblings, name: string): Promise<Json | undefined> {
  const text = await readText(checkpoint, name);
  if (text === undefined) return undefined;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${name} of ${checkpoint.location} is no JSON: ${reason.replace(/\s+/g, " ")}`);
  }
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Json;
  throw new ConfigError(`${name} of ${checkpoint.location} holds no object of JSON`);
}

/**
 * Reads config.json.
 * @throws {ConfigError} where it is missing, or holds no object of JSON
 */
export async function readConfig(checkpoint: Siblings): Promise<Json> {
  const config = await readJson(checkpoint, "config.json");
  if (config === undefined)
    throw new ConfigError(`there is no config.json beside the weights of ${checkpoint.location}`);
  return config;
}
