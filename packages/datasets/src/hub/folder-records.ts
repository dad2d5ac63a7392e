import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ContentId } from "./content-hash.ts";
import { fileSystemError } from "./file-system-error.ts";
import { HubError } from "./hub-error.ts";
import type { HubFile } from "./hub-file.ts";

/** The folder, within the one that is downloaded to, that holds what a download keeps for itself. */
export const RECORDS_FOLDER = ".vlmopt-download";

/** Where a download keeps what. */
export interface RecordPaths {
  readonly lock: string;
  readonly log: string;
  partial(id: ContentId): string;
}

export function recordPaths(folder: string): RecordPaths {
  const records = join(folder, RECORDS_FOLDER);
  return {
    lock: join(records, "lock"),
    log: join(records, "files.jsonl"),
    partial: (id) => join(records, "partial", id.replace(":", "-")),
  };
}

/** Which repository a folder holds, and which commits its branches and tags stood for when they were last looked up. */
export interface FolderIdentity {
  readonly repository: string;
  readonly revisions: Readonly<Record<string, string>>;
}

/** @throws {HubError} where the folder holds another repository */
export async function readIdentity(folder: string, repository: string): Promise<FolderIdentity> {
  const identity = await readJson<FolderIdentity>(join(folder, RECORDS_FOLDER, "repository.json"));
  if (identity === undefined) return { repository, revisions: {} };
  if (identity.repository === repository) return identity;
  throw new HubError("would-replace", `${folder}: holds ${identity.repository}, not ${repository}`, {
    hint: "choose another folder",
  });
}

export async function writeIdentity(folder: string, identity: FolderIdentity): Promise<void> {
  await writeJson(join(folder, RECORDS_FOLDER), "repository.json", identity);
}

/** The files of a commit, if they were listed before. */
export async function readListing(folder: string, commit: string): Promise<HubFile[] | undefined> {
  return readJson(join(folder, RECORDS_FOLDER, `listing-${commit}.json`));
}

export async function writeListing(folder: string, commit: string, files: readonly HubFile[]): Promise<void> {
  await writeJson(join(folder, RECORDS_FOLDER), `listing-${commit}.json`, files);
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Whole or not at all, whoever else writes it. */
async function writeJson(folder: string, name: string, value: unknown): Promise<void> {
  const draft = join(folder, `${name}-${randomUUID()}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(draft, JSON.stringify(value));
    await rename(draft, join(folder, name));
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw fileSystemError(error, join(folder, name));
  }
}
