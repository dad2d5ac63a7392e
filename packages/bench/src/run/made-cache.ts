import { randomUUID } from "node:crypto";
import { access, lstat, readdir, rename, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { cacheFolder } from "@vlmopt/datasets";
import {
  acquireLock,
  foreignFiles,
  isRecorded,
  LockedError,
  type LockHolder,
  lockHolder,
  RECORD_NAME,
} from "@vlmopt/files";
import { BenchError } from "../bench-error.ts";

/** A checkpoint that a run made, and keeps for the next. */
export interface MadeVariant {
  readonly name: string;
  readonly folder: string;
  readonly bytes: number;
  /** When a run last took it. */
  readonly usedAt: Date;
  /** A process that measures it now. */
  readonly usedBy: LockHolder | undefined;
}

/** Bytes that made checkpoints may take unless VLMOPT_CACHE_LIMIT says otherwise. */
const DEFAULT_LIMIT = 100e9;
const UNITS: Readonly<Record<string, number>> = { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 };

/** Where checkpoints that runs made lie: below VLMOPT_CACHE, else the user's cache. */
export function madeFolder(): string {
  return cacheFolder("made");
}

/**
 * Most bytes that made checkpoints take together: VLMOPT_CACHE_LIMIT, such as `50GB`, else 100 GB.
 * @throws {BenchError} where that is no size
 */
export function madeLimit(env: Readonly<Record<string, string | undefined>> = process.env): number {
  const text = env.VLMOPT_CACHE_LIMIT?.trim();
  if (text === undefined || text === "") return DEFAULT_LIMIT;
  const [, number, unit = "B"] = /^(\d+(?:\.\d+)?)\s*([KMGT]?B)?$/i.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (UNITS[unit.toUpperCase()] as number);
  throw new BenchError(`VLMOPT_CACHE_LIMIT is "${text}", which is no size`, "give one such as 50GB");
}

/** What is in the cache, the longest unused first. Folders that no run made are not looked at. */
export async function listMade(cache = madeFolder()): Promise<MadeVariant[]> {
  const entries = await readdir(cache, { withFileTypes: true }).catch(() => []);
  const made: MadeVariant[] = [];
  for (const entry of entries) {
    const folder = join(cache, entry.name);
    if (!entry.isDirectory() || !/-[0-9a-f]{16}$/.test(entry.name) || !(await isRecorded(folder))) continue;
    const { mtime } = await lstat(join(folder, RECORD_NAME));
    const usedBy = await userOf(cache, entry.name);
    made.push({ name: entry.name, folder, bytes: await bytesIn(folder), usedAt: mtime, usedBy });
  }
  return made.sort((a, b) => a.usedAt.getTime() - b.usedAt.getTime() || (a.name < b.name ? -1 : 1));
}

export interface ClearOptions {
  /** Of the cache; `madeFolder()` unless told. */
  readonly cache?: string;
  /** These alone; all unless told. */
  readonly names?: readonly string[];
  /** Bytes that may stay: the longest unused go first. 0 unless told. */
  readonly downTo?: number;
}

/**
 * Deletes made checkpoints, but for those that a run measures now and those in which others put or changed files.
 * @returns those that are gone, and those that stayed though they should have gone
 * @throws {BenchError} where there is none of a name
 */
export async function clearMade({ cache = madeFolder(), names, downTo = 0 }: ClearOptions = {}): Promise<{
  readonly gone: readonly MadeVariant[];
  readonly stayed: readonly MadeVariant[];
}> {
  const all = await listMade(cache);
  const unknown = names?.find((name) => !all.some((variant) => variant.name === name));
  if (unknown !== undefined) {
    throw new BenchError(`${cache}: holds no made checkpoint "${unknown}"`, "vlmopt cache lists them");
  }
  for (const name of await readdir(cache).catch(() => [])) {
    if (name.startsWith(GOING)) await rm(join(cache, name), { recursive: true, force: true });
  }
  let bytes = all.reduce((sum, variant) => sum + variant.bytes, 0);
  const [gone, stayed]: [MadeVariant[], MadeVariant[]] = [[], []];
  for (const variant of all) {
    if (bytes <= downTo) break;
    if (names !== undefined && !names.includes(variant.name)) continue;
    if (await removeMade(cache, variant)) {
      bytes -= variant.bytes;
      gone.push(variant);
    } else stayed.push(variant);
  }
  return { gone, stayed };
}

export interface UseOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called where another process makes the same, which is waited for. */
  readonly onWait?: ((holder: LockHolder | undefined) => void) | undefined;
}

/** Takes a checkpoint of the cache, made first where it is not there. It stays there until disposed, whoever clears the cache. */
export async function useMade(
  cache: string,
  name: string,
  make: (folder: string) => Promise<void>,
  { signal, onWait }: UseOptions = {},
): Promise<AsyncDisposable> {
  const folder = join(cache, name);
  const waiting = { wait: Number.POSITIVE_INFINITY, signal, onWait };
  await using _making = await acquireLock(join(cache, LOCKS, name), waiting);
  const isThere = await access(folder).then(
    () => true,
    () => false,
  );
  if (!isThere) await make(folder);
  const now = new Date();
  // One that was made before records were kept has none.
  await utimes(join(folder, RECORD_NAME), now, now).catch(() => {});
  return acquireLock(join(cache, LOCKS, `${name}${USE}${randomUUID()}`));
}

const LOCKS = ".locks";
const USE = ".use-";
/** What is being deleted has this name first, so that nobody takes half of it. */
const GOING = ".going-";

async function removeMade(cache: string, { name, folder }: MadeVariant): Promise<boolean> {
  try {
    await using _lock = await acquireLock(join(cache, LOCKS, name));
    if ((await userOf(cache, name)) !== undefined || (await foreignFiles(folder)).length > 0) return false;
    const going = join(cache, `${GOING}${randomUUID()}`);
    await rename(folder, going);
    await rm(going, { recursive: true, force: true });
    return true;
  } catch (error) {
    if (error instanceof LockedError) return false;
    throw error;
  }
}

async function userOf(cache: string, name: string): Promise<LockHolder | undefined> {
  const locks = join(cache, LOCKS);
  for (const entry of await readdir(locks).catch(() => [])) {
    if (!entry.startsWith(`${name}${USE}`)) continue;
    const holder = await lockHolder(join(locks, entry));
    if (holder !== undefined) return holder;
    // Left by a process that was killed.
    await rm(join(locks, entry), { force: true });
  }
  return undefined;
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder, { recursive: true }))
    bytes += (await lstat(join(folder, name))).size;
  return bytes;
}
