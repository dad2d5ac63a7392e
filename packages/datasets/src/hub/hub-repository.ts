import type { ListFileEntry } from "@huggingface/hub";
import type { ContentId } from "./content-hash.ts";
import type { HubConnection } from "./hub-connection.ts";
import { HubError } from "./hub-error.ts";
import type { HubFile } from "./hub-file.ts";
import { mapConcurrently } from "./map-concurrently.ts";

/** Folders of a repository that are listed at once. */
const LISTINGS_AT_ONCE = 8;

/** A model or data set on the hub. */
export interface HubRepository {
  readonly type: "model" | "dataset";
  /** `org/name`. */
  readonly name: string;
}

/** Reads `org/name` as a model and `datasets/org/name` as a data set. */
export function parseRepository(id: string): HubRepository {
  const match = /^(datasets\/)?([\w-][\w.-]*(?:\/[\w-][\w.-]*)?)$/.exec(id);
  if (match === null || (match[2] as string).includes("..")) {
    throw new HubError("invalid-argument", `${JSON.stringify(id)} names no repository`, {
      hint: "write org/name for a model, datasets/org/name for a data set",
    });
  }
  return { type: match[1] === undefined ? "model" : "dataset", name: match[2] as string };
}

/** `org/name` or `datasets/org/name`, as in the address of its page. */
export function repositoryId({ type, name }: HubRepository): string {
  return type === "model" ? name : `datasets/${name}`;
}

/** Whether a revision is a commit, whose files never change, rather than a branch or tag. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/** The commit that a branch, a tag or a pull request stands for now. */
export async function resolveCommit(
  connection: HubConnection,
  repository: HubRepository,
  revision: string,
): Promise<string> {
  const { datasetInfo, modelInfo } = await import("@huggingface/hub");
  const params = { name: repository.name, revision, hubUrl: connection.endpoint, fetch: connection.api };
  const { sha } =
    repository.type === "model"
      ? await modelInfo({ ...params, additionalFields: ["sha"] })
      : await datasetInfo({ ...params, additionalFields: ["sha"] });
  if (isCommit(sha)) return sha;
  throw new HubError(
    "unexpected-answer",
    `${repositoryId(repository)}: the hub names no commit for ${revision}`,
  );
}

/** All files of a repository at a commit, in the order of their paths. Folders are listed side by side: one page holds 1,000 files. */
export async function listRepository(
  connection: HubConnection,
  repository: HubRepository,
  commit: string,
): Promise<HubFile[]> {
  const { listFiles } = await import("@huggingface/hub");
  const files: HubFile[] = [];
  let folders = [""];
  while (folders.length > 0) {
    const below: string[] = [];
    await mapConcurrently(folders, LISTINGS_AT_ONCE, async (folder) => {
      const listing = listFiles({
        repo: repository,
        revision: commit,
        path: encodePath(folder),
        hubUrl: connection.endpoint,
        fetch: connection.api,
      });
      for await (const entry of listing) {
        const path = checkPath(entry.path, repository);
        if (entry.type === "directory") below.push(path);
        else files.push({ path, size: entry.lfs?.size ?? entry.size, id: contentIdOf(entry, repository) });
      }
    });
    folders = below;
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The address of a file's bytes; for large files the hub redirects it to where they are stored. */
export function fileUrl(endpoint: string, repository: HubRepository, commit: string, path: string): string {
  return `${endpoint}/${repositoryId(repository)}/resolve/${commit}/${encodePath(path)}`;
}

function encodePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

function contentIdOf({ path, lfs, oid }: ListFileEntry, repository: HubRepository): ContentId {
  if (lfs !== undefined && /^[0-9a-f]{64}$/.test(lfs.oid)) return `sha256:${lfs.oid}`;
  if (lfs === undefined && oid !== undefined && /^[0-9a-f]{40}$/.test(oid)) return `git-sha1:${oid}`;
  throw new HubError(
    "unexpected-answer",
    `${repositoryId(repository)}/${path}: the hub lists no hash for it`,
  );
}

/** Refuses paths that would leave the folder they are written to. */
function checkPath(path: string, repository: HubRepository): string {
  const parts = path.split("/");
  if (!parts.some((part) => part === "" || part === "." || part === ".." || /[\\\0:]/.test(part)))
    return path;
  const name = `${repositoryId(repository)}: the hub lists ${JSON.stringify(path)}`;
  throw new HubError("unexpected-answer", `${name}, which is no path within a folder`);
}
