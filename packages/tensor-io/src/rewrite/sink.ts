import { randomBytes } from "node:crypto";
import type { Dirent } from "node:fs";
import { type FileHandle, lstat, mkdir, open, readdir, rename, rm, statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import {
  acquireLock,
  assertReplaceable,
  holderNamed,
  InTheWayError,
  LockedError,
  recordWritten,
  removedAtExit,
} from "@vlmopt/files";
import { checkOptions, flag } from "@vlmopt/options";
import { SinkError } from "../errors.ts";
import { reasonOf } from "../source/file-source.ts";

/** A file of the output; its size is known before anything is written. */
export interface OutputFile {
  readonly name: string;
  readonly size: number;
}

/** Where a rewritten checkpoint goes. Nothing is seen under its name before `commit`. */
export interface Sink {
  readonly name: string;
  /** True where there is room for one file of weights and nothing else. */
  readonly singleFile: boolean;
  /**
   * Keeps the output for this process until disposed, and throws where `begin` would, because the output exists or another process writes
   * it: before long work whose result would have no place.
   * @param inputs paths that are read, which no output may replace
   */
  claim(inputs?: readonly string[]): Promise<AsyncDisposable>;
  begin(files: readonly OutputFile[], inputs?: readonly string[]): Promise<SinkSession>;
}

export interface SinkSession {
  /** Where worker threads write the file: a path, or a key of `memory`; undefined where only `write` can. */
  path(file: string): string | undefined;
  /** Files that are memory which threads share. */
  readonly memory: ReadonlyMap<string, SharedArrayBuffer>;
  write(file: string, position: number, bytes: Uint8Array): Promise<void>;
  /** Makes the output appear, complete and on disk, in one step. */
  commit(): Promise<void>;
  /** Removes every trace of it. */
  abort(): Promise<void>;
}

export interface SinkOptions {
  /**
   * Replace what is there, once the new output is complete; otherwise an output that exists is an error. Only what was written here before
   * is replaced, or an empty folder: never the input, the working folder, or what others put there.
   */
  readonly overwrite?: boolean;
}

/** A folder of model files. It is written beside its final place and renamed at the end, when it is complete and on disk. */
export function folderSink(path: string, options: SinkOptions = {}): Sink {
  checkOptions("folderSink", options, { overwrite: flag });
  return diskSink(path, false, options);
}

/** One `.safetensors` file, written beside its final place and renamed at the end. */
export function fileSink(path: string, options: SinkOptions = {}): Sink {
  checkOptions("fileSink", options, { overwrite: flag });
  return diskSink(path, true, options);
}

/** Keeps the weights, and them alone, in memory: `files` holds `model.safetensors`. For small results of a pass over a large checkpoint. */
export function memorySink(): Sink & { readonly files: ReadonlyMap<string, Uint8Array> } {
  const files = new Map<string, Uint8Array>();
  return {
    name: "memory",
    singleFile: true,
    files,
    claim: async () => ({ async [Symbol.asyncDispose]() {} }),
    async begin(outputs) {
      const memory = new Map(outputs.map(({ name, size }) => [name, new SharedArrayBuffer(size)]));
      return {
        path: (file) => file,
        memory,
        async write(file, position, bytes) {
          new Uint8Array(memory.get(file) as SharedArrayBuffer).set(bytes, position);
        },
        async commit() {
          // Copied, since shared memory is refused by much that takes bytes (TextDecoder, Blob, crypto).
          for (const [name, shared] of memory) files.set(name, new Uint8Array(shared).slice());
        },
        async abort() {},
      };
    },
  };
}

function diskSink(path: string, singleFile: boolean, { overwrite = false }: SinkOptions): Sink {
  const target = resolve(path);
  const lock = join(dirname(target), `.${basename(target)}.lock`);
  /** What `claim` was told, while it lasts. */
  let claimed: readonly string[] | undefined;

  async function assertFree(inputs: readonly string[]): Promise<void> {
    if (!(await exists(target))) return;
    if (overwrite) return assertReplaceable(path, { inputs });
    throw new SinkError(path, "is already there", {
      hint: "choose another name, or overwrite it (--force on the command line)",
    });
  }

  async function lockedAndFree(inputs: readonly string[]): Promise<AsyncDisposable> {
    // Before a folder for it is made, too.
    await assertFree(inputs);
    const held = await acquireLock(lock, { of: path });
    try {
      await clearLeftovers(target);
      await assertFree(inputs);
      return held;
    } catch (error) {
      await held[Symbol.asyncDispose]();
      throw error;
    }
  }

  return {
    name: path,
    singleFile,
    async claim(inputs = []) {
      try {
        const held = await lockedAndFree(inputs);
        claimed = inputs;
        return {
          async [Symbol.asyncDispose]() {
            claimed = undefined;
            await held[Symbol.asyncDispose]();
          },
        };
      } catch (error) {
        throw asSinkError(path, error);
      }
    },
    async begin(files, given = []) {
      const inputs = [...(claimed ?? []), ...given];
      let held: AsyncDisposable | undefined;
      try {
        if (claimed === undefined) held = await lockedAndFree(inputs);
        else await assertFree(inputs);
        await mkdir(dirname(target), { recursive: true });
        await assertRoom(path, dirname(target), files);
        return await openSession(path, target, singleFile, files, {
          assertFree: () => assertFree(inputs),
          release: async () => held?.[Symbol.asyncDispose](),
        });
      } catch (error) {
        await held?.[Symbol.asyncDispose]();
        throw asSinkError(path, error);
      }
    },
  };
}

async function openSession(
  path: string,
  target: string,
  singleFile: boolean,
  files: readonly OutputFile[],
  output: { assertFree(): Promise<void>; release(): Promise<void> },
): Promise<SinkSession> {
  const temporary = siblingName(target, "partial");
  const place = (file: string) => (singleFile ? temporary : join(temporary, file));
  const handles = new Map<string, FileHandle>();
  const keep = removedAtExit(temporary);
  const closeAll = async () => {
    for (const handle of handles.values()) await handle.close();
    handles.clear();
  };
  const abort = async () => {
    await closeAll();
    await rm(temporary, { recursive: true, force: true });
    keep();
    await output.release();
  };
  try {
    if (!singleFile) await mkdir(temporary);
    for (const { name, size } of files) {
      await mkdir(dirname(place(name)), { recursive: true });
      const handle = await open(place(name), "wx");
      handles.set(name, handle);
      await handle.truncate(size);
    }
  } catch (error) {
    await abort();
    throw error;
  }
  return {
    path: place,
    memory: new Map(),
    async write(file, position, bytes) {
      try {
        const handle = handles.get(file);
        if (handle === undefined) throw new Error(`${file} was not announced`);
        for (let done = 0; done < bytes.length; ) {
          done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
        }
      } catch (error) {
        throw asSinkError(path, error);
      }
    },
    async commit() {
      try {
        for (const handle of handles.values()) await handle.sync();
        await closeAll();
        if (!singleFile) await recordWritten(temporary);
        if (!singleFile) await syncFolder(temporary);
        // Somebody may have put something there meanwhile.
        await output.assertFree();
        await moveIntoPlace(temporary, target);
        keep();
        if (singleFile) await recordWritten(target);
        await output.release();
      } catch (error) {
        await abort();
        throw asSinkError(path, error);
      }
    },
    abort,
  };
}

/** A rename onto an existing folder fails, so the old one steps aside first; `clearLeftovers` brings it back after a crash in between. */
async function moveIntoPlace(temporary: string, target: string): Promise<void> {
  const replaced = siblingName(target, "replaced");
  const aside = (await exists(target)) && !(await isFile(target, temporary));
  if (aside) await rename(target, replaced);
  try {
    await rename(temporary, target);
  } catch (error) {
    if (aside) await rename(replaced, target);
    throw error;
  }
  await syncFolder(dirname(target));
  if (aside) await rm(replaced, { recursive: true, force: true });
}

/** A file replaces a file in one step. */
async function isFile(...paths: string[]): Promise<boolean> {
  const stats = await Promise.all(paths.map((path) => lstat(path)));
  return stats.every((stat) => stat.isFile());
}

/** Asked first, since a disk that fills after ten minutes is a worse way to learn it. */
async function assertRoom(path: string, folder: string, files: readonly OutputFile[]): Promise<void> {
  const needed = files.reduce((sum, file) => sum + file.size, 0);
  const { bavail, bsize } = await statfs(folder);
  if (needed > bavail * bsize) {
    throw new SinkError(
      path,
      `no space left on the device: ${needed} bytes are needed and ${bavail * bsize} are free`,
    );
  }
}

/** Asked for when it is needed: a browser, which never writes, has no name. */
const hostName = () => hostname().replaceAll(/[^\w-]/g, "_");

/** `.name.partial-host-pid-random`, a hidden sibling: renaming works only within one file system. */
function siblingName(target: string, kind: "partial" | "replaced"): string {
  const unique = randomBytes(4).toString("hex");
  return join(dirname(target), `.${basename(target)}.${kind}-${hostName()}-${process.pid}-${unique}`);
}

/** Undoes what a process that was killed left behind: half-written output, or the old output that had stepped aside. */
async function clearLeftovers(target: string): Promise<void> {
  const folder = dirname(target);
  const prefix = `.${basename(target)}.`;
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
  for (const { name } of entries) {
    if (!name.startsWith(prefix)) continue;
    const match = /^(partial|replaced)-(.+)-(\d+)-[0-9a-f]{8}$/.exec(name.slice(prefix.length));
    if (match === null || match[2] !== hostName() || isRunning(Number(match[3]))) continue;
    const leftover = join(folder, name);
    if (match[1] === "replaced" && !(await exists(target))) await rename(leftover, target);
    else await rm(leftover, { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export function asSinkError(path: string, error: unknown): Error {
  if (error instanceof SinkError) return error;
  if (error instanceof LockedError) {
    const { holder, hint } = error;
    return new SinkError(path, `${holderNamed(holder)} is writing it`, { hint, cause: error });
  }
  if (error instanceof InTheWayError) {
    const { message, hint } = error;
    return new SinkError(path, message.slice(path.length + 2), { hint, cause: error });
  }
  if ((error as NodeJS.ErrnoException).code === undefined) return error as Error;
  return new SinkError(path, reasonOf(error), { cause: error });
}
