import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileSystemError } from "./file-system-error.ts";
import { HubError } from "./hub-error.ts";

/** Milliseconds between signs of life. */
const HEARTBEAT = 5_000;
/** Milliseconds without one after which a lock counts as left behind, whoever held it. */
const LONGEST_SILENCE = 60_000;
/** Milliseconds between looks at a lock that another holds. */
const POLL = 50;

/** Locks that this process holds: one with its process id that is not among them is a leftover of an earlier process. */
const held = new Set<string>();

export interface LockOptions {
  /** Milliseconds to wait for another holder. Default 0. */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

/**
 * Holds a lock file until disposed. Where its holder is dead, killed outright perhaps, the lock is taken over: a process of this
 * machine is looked up, another machine's must have given signs of life.
 * @throws {HubError} `locked` when another holds it
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<AsyncDisposable> {
  const deadline = performance.now() + (options.wait ?? 0);
  const id = randomUUID();
  const content = JSON.stringify({ pid: process.pid, host: hostname(), id });
  // Known before the file is there, so that no other caller in this process takes it for a leftover.
  held.add(id);
  try {
    await mkdir(dirname(path), { recursive: true });
    while (!(await create(path, content))) {
      const holder = await readFile(path, "utf8").catch(() => undefined);
      if (holder === undefined) continue;
      if (await isLeftBehind(path, holder)) await remove(path, holder);
      else if (performance.now() >= deadline) throw lockedBy(holder, path);
      else await sleep(POLL, undefined, options.signal === undefined ? {} : { signal: options.signal });
    }
  } catch (error) {
    held.delete(id);
    throw fileSystemError(error, path);
  }
  const heartbeat = setInterval(() => {
    const now = new Date();
    // A lock taken over by another is the other's; there is nothing to do about it here.
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      held.delete(id);
      await remove(path, content);
    },
  };
}

/** Creates the file with its content in one step: nobody sees it empty. */
async function create(path: string, content: string): Promise<boolean> {
  const draft = `${path}-${randomUUID()}`;
  await writeFile(draft, content);
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "EEXIST") return false;
    // Some file systems have no hard links.
    return writeFile(path, content, { flag: "wx" }).then(
      () => true,
      (reason: { code?: string }) => {
        if (reason.code === "EEXIST") return false;
        throw reason;
      },
    );
  } finally {
    await rm(draft, { force: true });
  }
}

async function isLeftBehind(path: string, content: string): Promise<boolean> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.NaN }));
  if (Date.now() - mtimeMs > LONGEST_SILENCE) return true;
  const holder = parseHolder(content);
  if (holder === undefined || holder.host !== hostname()) return false;
  if (holder.pid === process.pid) return !held.has(holder.id);
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as { code?: string }).code === "ESRCH";
  }
}

/** Removes the lock if it is still the one with this content: two that find the same leftover must not remove each other's. */
async function remove(path: string, content: string): Promise<void> {
  const aside = `${path}-${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, "utf8")) !== content) await link(aside, path).catch(() => {});
  await rm(aside, { force: true });
}

function lockedBy(content: string, path: string): HubError {
  const holder = parseHolder(content);
  const who = holder === undefined ? "" : ` (process ${holder.pid} on ${holder.host})`;
  return new HubError("locked", `${dirname(dirname(path))}: another download is at work there${who}`, {
    hint: "wait until it is done, or choose another folder",
  });
}

function parseHolder(content: string): { pid: number; host: string; id: string } | undefined {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
