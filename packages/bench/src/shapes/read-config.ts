import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError, expectedTensors } from "@vlmopt/models";
import { BenchError } from "../bench-error.ts";

/**
 * The configuration of a model that is known.
 * @param path of a config.json, or of a folder that holds one
 * @throws {BenchError} naming the file, where it is not there, not JSON, or not understood
 */
export async function readModelConfig(path: string): Promise<unknown> {
  const file = (await isFolder(path)) ? join(path, "config.json") : path;
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    const what = error.code === "ENOENT" ? "no such file" : error.message;
    throw new BenchError(`${file}: ${what}`, "name a config.json, or a folder that holds one");
  });
  try {
    const config: unknown = JSON.parse(text);
    expectedTensors(config);
    return config;
  } catch (error) {
    if (error instanceof SyntaxError) throw new BenchError(`${file}: is not valid JSON: ${error.message}`);
    if (error instanceof ConfigError) throw new BenchError(`${file}: ${error.message}`);
    throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
