import { mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { acquireLock } from "@vlmopt/files";
import { BenchError } from "../bench-error.ts";
import type { Recipe } from "../recipe/read-recipe.ts";
import { LOCK_NAME, replaceFile, runFiles } from "../records/run-folder.ts";
import { type Shard, shardText } from "../shards/shard.ts";

/** Names that a message lists. */
const NAMED_IN_MESSAGES = 3;

/**
 * Keeps a folder for one run until disposed: other processes out, runs of other recipes, and ours out of folders that hold something else.
 * @param fresh deletes what an earlier run, of any recipe, measured there
 * @throws {BenchError} where the folder holds another recipe's run, or no run's files
 * @throws {LockedError} where another process is at work there, which it names
 */
export async function claimRunFolder(
  recipe: Recipe,
  folder: string,
  { fresh, shard }: { readonly fresh: boolean; readonly shard?: Shard | undefined },
): Promise<AsyncDisposable> {
  // What may fail changes no measurement.
  const { maxFailed: _, ...measured } = recipe;
  const own = shard === undefined ? measured : { ...measured, shard: shardText(shard) };
  const text = `${JSON.stringify(own, null, 2)}\n`;
  const path = join(folder, runFiles.recipe);
  // Before a lock is put there, too.
  await earlierRecipe(folder);
  await mkdir(folder, { recursive: true });
  const lock = await acquireLock(join(folder, LOCK_NAME), { of: folder });
  try {
    const before = await earlierRecipe(folder);
    if (before !== undefined && before !== text && !fresh) {
      throw new BenchError(
        `${folder}: holds a run of another recipe, of this one before it was changed, or of another shard`,
        "name another folder, remove this one, or measure anew (--fresh on the command line)",
      );
    }
    if (fresh) {
      for (const name of [runFiles.results, runFiles.summary, runFiles.items]) {
        await rm(join(folder, name), { force: true });
      }
    }
    if (before !== text) await replaceFile(path, text);
    return lock;
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

/** The recipe of the run that a folder holds; undefined where it is empty. */
async function earlierRecipe(folder: string): Promise<string | undefined> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new BenchError(
      `${folder}: ${error.code === "ENOTDIR" ? "is a file" : error.message}`,
      "name a folder",
    );
  });
  const text = await readFile(join(folder, runFiles.recipe), "utf8").catch(() => undefined);
  if (text !== undefined && isRecipe(text)) return text;
  // A lock, and what a process that was killed while it wrote the recipe leaves.
  const ours = [LOCK_NAME, `${runFiles.recipe}.`];
  const others = entries.filter(
    (name) => !ours.some((start) => name.startsWith(start)) && name !== ".DS_Store",
  );
  if (others.length === 0) return undefined;
  const more = others.length > NAMED_IN_MESSAGES ? ` and ${others.length - NAMED_IN_MESSAGES} more` : "";
  throw new BenchError(
    `${folder}: holds ${others.slice(0, NAMED_IN_MESSAGES).join(", ")}${more}, and no run`,
    "name an empty folder, or one that does not exist yet",
  );
}

function isRecipe(text: string): boolean {
  try {
    const { variants, protocol } = JSON.parse(text) as Partial<Recipe>;
    return Array.isArray(variants) && typeof protocol === "object";
  } catch {
    return false;
  }
}
