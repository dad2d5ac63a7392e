import { stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { acquireLock, holderNamed, LockedError } from "@vlmopt/files";
import { contentHasher, hashFile } from "./content-hash.ts";
import { downloadFile } from "./download-file.ts";
import { DownloadLog } from "./download-log.ts";
import { fileSystemError } from "./file-system-error.ts";
import { RECORDS_FOLDER, recordPaths } from "./folder-records.ts";
import type { HubConnection } from "./hub-connection.ts";
import { HubError } from "./hub-error.ts";
import type { HubFile } from "./hub-file.ts";
import { fileUrl, type HubRepository, repositoryId } from "./hub-repository.ts";
import { mapConcurrently } from "./map-concurrently.ts";
import { partialSize } from "./partial-file.ts";

/** Files that are looked up on disk at once. */
const LOOKS_AT_ONCE = 32;
/** Missing files that a message names. */
const NAMED_IN_MESSAGES = 5;

export interface DownloadProgress {
  /** Bytes of the wanted files that are there, and of all that are wanted. */
  readonly bytes: number;
  readonly totalBytes: number;
  readonly files: number;
  readonly totalFiles: number;
}

export interface FetchOptions {
  /** Files that are downloaded at once. Default 8. */
  readonly concurrency?: number;
  /** Bring files again that have changed since they were downloaded. Default false: they are an error, as others' files always are. */
  readonly replace?: boolean;
  /** Milliseconds to wait for another download into the same folder. Default 0. */
  readonly wait?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: DownloadProgress) => void;
}

export interface FetchResult {
  readonly files: readonly HubFile[];
  /** Bytes of all wanted files. */
  readonly bytes: number;
  /** Files, and their bytes, that were not there before. */
  readonly fetchedFiles: number;
  readonly fetchedBytes: number;
}

/**
 * What is on disk where a file of the repository belongs: the file, logged as verified or not; nothing; an older revision's, which may
 * be replaced; or something that no download put there.
 */
type OnDisk = "present" | "unlogged" | "absent" | "outdated" | "foreign";

/** A folder on disk that holds a repository, or some of it, at one commit. */
export interface HubFolder {
  readonly folder: string;
  /** `org/name`, or `datasets/org/name`. */
  readonly repository: string;
  readonly revision: string;
  readonly commit: string;
  /** Every file of the commit, by its path, there or not. */
  readonly files: ReadonlyMap<string, HubFile>;
  /** Where a file of the repository is, or would be. */
  pathOf(file: string): string;
  /** Of the wanted files, those that are not there whole. */
  missing(paths: Iterable<string>): Promise<HubFile[]>;
  /**
   * Sees to it that files are there, whole and verified: resumes what an earlier download left, touches nothing that is there.
   * @throws {HubError} offline, where any is missing; what has arrived stays
   */
  fetch(paths: Iterable<string>, options?: FetchOptions): Promise<FetchResult>;
}

/** A folder as a copy of a repository at a commit whose files are known. `id`: `org/name`, or `datasets/org/name`. */
export function hubFolder(
  connection: HubConnection,
  repository: HubRepository,
  revision: string,
  commit: string,
  files: ReadonlyMap<string, HubFile>,
  folder: string,
): HubFolder {
  const id = repositoryId(repository);
  const records = recordPaths(folder);
  const log = new DownloadLog(records.log);
  const pathOf = (file: string) => join(folder, file);

  function wantedFiles(paths: Iterable<string>): HubFile[] {
    return [...new Set(paths)].map((path) => {
      const file = files.get(path);
      if (file !== undefined && !path.startsWith(`${RECORDS_FOLDER}/`)) return file;
      throw new HubError("not-found", `${id}/${path}: there is no such file at ${revision}`);
    });
  }

  /** Looks a file up; where it looks otherwise than when it was verified, its bytes are hashed. */
  async function look(file: HubFile, signal: AbortSignal | undefined): Promise<OnDisk> {
    const path = pathOf(file.path);
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) return "absent";
    if (!found.isFile()) return "foreign";
    const logged = log.get(file.path);
    const unchanged = logged?.size === found.size && logged.mtimeMs === found.mtimeMs;
    if (unchanged) return logged.id === file.id ? "present" : "outdated";
    if (found.size !== file.size) return "foreign";
    const hasher = contentHasher(file.id, file.size);
    await hashFile(path, hasher, signal);
    return hasher.digest() === file.id ? "unlogged" : "foreign";
  }

  async function missing(paths: Iterable<string>): Promise<HubFile[]> {
    const wanted = wantedFiles(paths);
    await log.refresh();
    const looks = await mapConcurrently(wanted, LOOKS_AT_ONCE, (file) => look(file, undefined));
    return notHere(wanted, looks);
  }

  async function remember(file: HubFile): Promise<void> {
    const { mtimeMs } = await stat(pathOf(file.path));
    await log.append({ ...file, mtimeMs });
  }

  async function fetch(paths: Iterable<string>, options: FetchOptions = {}): Promise<FetchResult> {
    const { concurrency = 8, replace = false, wait = 0, signal, onProgress } = options;
    const wanted = wantedFiles(paths);
    const bytes = totalSize(wanted);
    await log.refresh();
    const done = await mapConcurrently(wanted, LOOKS_AT_ONCE, (file) => look(file, signal));
    if (done.every((found) => found === "present")) {
      onProgress?.({ bytes, totalBytes: bytes, files: wanted.length, totalFiles: wanted.length });
      return { files: wanted, bytes, fetchedFiles: 0, fetchedBytes: 0 };
    }
    if (connection.offline) {
      const absent = notHere(wanted, done);
      if (absent.length > 0) throw missingOffline(absent);
      return { files: wanted, bytes, fetchedFiles: 0, fetchedBytes: 0 };
    }

    await using _lock = await lockFolder(wait, signal);
    // Another download may have brought some of them in the meantime.
    await log.refresh();
    const looks = await mapConcurrently(wanted, LOOKS_AT_ONCE, (file) => look(file, signal));
    // Files that were downloaded and have changed since may be brought again; what others put there is theirs.
    const foreign = wanted.filter((_, index) => looks[index] === "foreign");
    const inPlace = foreign.find(({ path }) => !replace || log.get(path) === undefined);
    if (inPlace !== undefined) throw inTheWay(inPlace);
    for (const [index, file] of wanted.entries()) if (looks[index] === "unlogged") await remember(file);
    const absent = notHere(wanted, looks);
    await checkSpace(absent);
    await download(absent, wanted, bytes, concurrency, signal, onProgress);
    return {
      files: wanted,
      bytes,
      fetchedFiles: absent.length,
      fetchedBytes: totalSize(absent),
    };
  }

  async function lockFolder(wait: number, signal: AbortSignal | undefined): Promise<AsyncDisposable> {
    try {
      return await acquireLock(records.lock, { of: folder, wait, signal });
    } catch (error) {
      if (!(error instanceof LockedError)) throw fileSystemError(error, records.lock);
      throw new HubError(
        "locked",
        `${folder}: another download is at work there (${holderNamed(error.holder)})`,
        {
          hint: "wait until it is done, or choose another folder",
          cause: error,
        },
      );
    }
  }

  async function download(
    absent: readonly HubFile[],
    wanted: readonly HubFile[],
    totalBytes: number,
    concurrency: number,
    signal: AbortSignal | undefined,
    onProgress: FetchOptions["onProgress"],
  ): Promise<void> {
    let files = wanted.length - absent.length;
    let bytes = totalBytes - totalSize(absent);
    const report = () => onProgress?.({ bytes, totalBytes, files, totalFiles: wanted.length });
    report();
    const stop = new AbortController();
    const signals = signal === undefined ? stop.signal : AbortSignal.any([stop.signal, signal]);
    // Contents that several paths share are one partial file: they take turns.
    const turns = new Map<string, Promise<void>>();
    await mapConcurrently(absent, concurrency, async (file) => {
      let offset = 0;
      const before = turns.get(file.id);
      const turn = (before ?? Promise.resolve()).then(() =>
        downloadFile(connection, {
          url: fileUrl(connection.endpoint, repository, commit, file.path),
          repository: id,
          file,
          target: pathOf(file.path),
          partial: records.partial(file.id),
          signal: signals,
          onOffset: (now) => {
            bytes += now - offset;
            offset = now;
            report();
          },
        }),
      );
      turns.set(file.id, turn);
      try {
        await turn;
      } catch (error) {
        stop.abort();
        throw error;
      }
      await remember(file);
      files++;
      report();
    });
  }

  /** Refuses to begin what the disk has no room for. */
  async function checkSpace(absent: readonly HubFile[]): Promise<void> {
    let needed = 0;
    for (const file of absent)
      needed += Math.max(0, file.size - (await partialSize(records.partial(file.id))));
    const disk = await statfs(folder).catch(() => undefined);
    if (disk === undefined) return;
    const free = disk.bavail * disk.bsize;
    if (needed <= free) return;
    throw new HubError(
      "disk-full",
      `${folder}: no space left: ${needed} bytes are needed and ${free} are free`,
      {
        hint: "free some space, or choose a folder on another disk",
      },
    );
  }

  function missingOffline(absent: readonly HubFile[]): HubError {
    const names = absent.slice(0, NAMED_IN_MESSAGES).map(({ path }) => path);
    const more = absent.length > names.length ? `, and ${absent.length - names.length} more` : "";
    const count = absent.length === 1 ? "1 file is" : `${absent.length} files are`;
    const size = totalSize(absent);
    return new HubError(
      "offline",
      `${id}: offline, and ${count} missing in ${folder} (${size} bytes): ${names.join(", ")}${more}`,
      { hint: "download once with a connection, or copy the folder from a machine that has it" },
    );
  }

  function inTheWay({ path }: HubFile): HubError {
    const wasOurs = log.get(path) !== undefined;
    const whose = wasOurs ? "has changed since it was downloaded" : `was not downloaded from ${id}`;
    return new HubError("would-replace", `${pathOf(path)}: is in the way, and ${whose}`, {
      hint: wasOurs
        ? "choose another folder, or bring it again (--force on the command line)"
        : "choose another folder, or move it away",
    });
  }

  return { folder, repository: id, revision, commit, files, pathOf, missing, fetch };
}

function notHere(files: readonly HubFile[], looks: readonly OnDisk[]): HubFile[] {
  return files.filter((_, index) => looks[index] !== "present" && looks[index] !== "unlogged");
}

function totalSize(files: readonly HubFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
