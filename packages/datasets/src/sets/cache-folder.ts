import { homedir } from "node:os";
import { join } from "node:path";
import type { Environment } from "../hub/access-token.ts";

/** Where a data set of the hub goes unless a folder is named: below VLMOPT_CACHE, else the user's cache. */
export function cacheFolder(repository: string, env: Environment = process.env): string {
  const root = env.VLMOPT_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "vlmopt");
  return join(root, repository.replaceAll("/", "--"));
}
