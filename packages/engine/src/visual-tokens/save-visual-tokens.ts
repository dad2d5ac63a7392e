import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OptionError } from "@vlmopt/options";
import { SETTINGS_FILE } from "./saved-visual-tokens.ts";
import { type VisualTokens, visualTokenPlan } from "./visual-tokens.ts";

/**
 * Writes beside a model that fewer of each picture's tokens go on, which `loadVlm` then takes by itself; config.json stays as it is.
 * @param settings undefined takes what was written back
 * @returns path of the file
 * @throws {OptionError} where settings are not understood, or a file of that name is none of vlmopt's
 */
export async function saveVisualTokens(folder: string, settings: VisualTokens | undefined): Promise<string> {
  if (settings !== undefined) visualTokenPlan("saveVisualTokens", settings);
  const path = join(folder, SETTINGS_FILE);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  const { visual_tokens: _, ...others } = objectOf(text, path);
  const all = settings === undefined ? others : { ...others, visual_tokens: settings };
  if (Object.keys(all).length === 0) {
    await rm(path, { force: true });
    return path;
  }
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, `${JSON.stringify(all, null, 2)}\n`);
  await rename(temporary, path);
  return path;
}

function objectOf(text: string, path: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text) as unknown;
    if (typeof value === "object" && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Said below.
  }
  throw new OptionError(`${path} holds no JSON object: it is not changed`);
}
