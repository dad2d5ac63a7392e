import { randomUUID } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { hasEnded, startOf } from "./process-life.ts";
import { removedAtExit } from "./removed-at-exit.ts";

/** Milliseconds between signs of life. */
const HEARTBEAT = 5_000;
/** Milliseconds without one after which a lock counts as left behind, where nothing is known of its holder. */
const LONGEST_SILENCE = 60_000;
/** Milliseconds between looks at a lock that another holds. */
const POLL = 50;

/** Locks that this process holds: one with its process id that is not among them is a leftover of an earlier process. */
const held = new Set<string>();

export interface LockHolder {
  readonly pid: number;
  readonly host: string;
}

interface LockContent extends LockHolder {
  readonly id: string;
  /** When the process started, where the system tells: ids of processes come again. */
  readonly start?: string;
}

/** Another process is at work there. */
export class LockedError extends Error {
  override readonly name = "LockedError";
  readonly path: string;
  /** Undefined where the lock does not tell. */
  readonly holder: LockHolder | undefined;
  readonly hint = "wait until it is done, or choose another name";

  constructor(path: string, holder: LockHolder | undefined) {
    super(`${path}: ${holderNamed(holder)} is at work there`);
    this.path = path;
    this.holder = holder;
  }
}

/** "process 123 on host", for messages. */
export function holderNamed(holder: LockHolder | undefined): string {
  return holder === undefined ? "another process" : `process ${holder.pid} on ${holder.host}`;
}

export interface LockOptions {
  /** What is locked, as the error names it; the lock file unless told. */
  readonly of?: string;
  /** Milliseconds to wait for another holder. Default 0. */
  readonly wait?: number;
  readonly signal?: AbortSignal | undefined;
  /** Called once, where it has to wait for another. */
  readonly onWait?: ((holder: LockHolder | undefined) => void) | undefined;
}

/**
 * Holds a lock file until disposed. Where its holder is dead, killed outright perhaps, the lock is taken over: a process of this
 * machine is looked up, another machine's must have given signs of life.
 * @throws {LockedError} when another holds it
 */
export async function acquireLock(path: string, options: LockOptions = {}): Promise<AsyncDisposable> {
  const { of = path, wait = 0, signal, onWait } = options;
  const deadline = performance.now() + wait;
  const start = await startOf(process.pid);
  const own: LockContent = {
    ...{ pid: process.pid, host: hostname(), id: randomUUID() },
    ...(start === undefined ? {} : { start }),
  };
  const content = JSON.stringify(own);
  let told = false;
  // Known before the file is there, so that no other caller in this process takes it for a leftover.
  held.add(own.id);
  try {
    signal?.throwIfAborted();
    await mkdir(dirname(path), { recursive: true });
    while (!(await create(path, content))) {
      const other = await readFile(path, "utf8").catch(() => undefined);
      if (other === undefined) continue;
      if (await isLeftBehind(path, other)) {
        await remove(path, other);
        continue;
      }
      const holder = parseHolder(other);
      if (performance.now() >= deadline) throw new LockedError(of, holder);
      if (!told) onWait?.(holder);
      told = true;
      await sleep(POLL, undefined, signal === undefined ? {} : { signal });
    }
  } catch (error) {
    held.delete(own.id);
    throw error;
  }
  const keep = removedAtExit(path, () => {
    if (readFileSync(path, "utf8") === content) rmSync(path);
  });
  const heartbeat = setInterval(() => {
    const now = new Date();
    // A lock taken over by another is the other's; there is nothing to do about it here.
    utimes(path, now, now).catch(() => {});
  }, HEARTBEAT).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(heartbeat);
      keep();
      held.delete(own.id);
      await remove(path, content);
    },
  };
}

/** Who holds a lock; undefined where nobody does, or its holder is dead. */
export async function lockHolder(path: string): Promise<LockHolder | undefined> {
  const content = await readFile(path, "utf8").catch(() => undefined);
  if (content === undefined || (await isLeftBehind(path, content))) return undefined;
  return parseHolder(content);
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
  const holder = parseHolder(content);
  if (holder?.host === hostname()) {
    if (holder.pid === process.pid) return !held.has(holder.id);
    const ended = await hasEnded(holder.pid, holder.start);
    if (ended !== "unknown") return ended;
  }
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.NaN }));
  return Date.now() - mtimeMs > LONGEST_SILENCE;
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

function parseHolder(content: string): LockContent | undefined {
  try {
    const parsed = JSON.parse(content) as Partial<LockContent> | null;
    return typeof parsed?.pid === "number" && typeof parsed.host === "string"
      ? (parsed as LockContent)
      : undefined;
  } catch {
    return undefined;
  }
}
