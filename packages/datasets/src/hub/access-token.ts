import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Environment variables that the hub's own tools read, the first that is set. */
const TOKEN_VARIABLES = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];

/**
 * The token that the hub's own tools would use: of the environment, else of the file that their log-in writes. Undefined where there
 * is none, or where HF_HUB_DISABLE_IMPLICIT_TOKEN says to send none that was not given.
 */
export async function findAccessToken(env: Environment): Promise<string | undefined> {
  if (isOn(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  for (const variable of TOKEN_VARIABLES) {
    const token = env[variable]?.trim();
    if (token) return token;
  }
  const token = await readFile(tokenPath(env), "utf8").catch(() => "");
  return token.trim() || undefined;
}

function tokenPath(env: Environment): string {
  const cache = env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return env.HF_TOKEN_PATH || join(env.HF_HOME || join(cache, "huggingface"), "token");
}

/** Whether a variable such as HF_HUB_OFFLINE is switched on, as the hub's own tools read it. */
export function isOn(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes(value?.toUpperCase() ?? "");
}
