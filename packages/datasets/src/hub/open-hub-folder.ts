import { resolve } from "node:path";
import {
  type FolderIdentity,
  readIdentity,
  readListing,
  writeIdentity,
  writeListing,
} from "./folder-records.ts";
import { connectHub, type HubConnection, type HubOptions } from "./hub-connection.ts";
import { HubError } from "./hub-error.ts";
import type { HubFile } from "./hub-file.ts";
import { type HubFolder, hubFolder } from "./hub-folder.ts";
import {
  type HubRepository,
  isCommit,
  listRepository,
  parseRepository,
  repositoryId,
  resolveCommit,
} from "./hub-repository.ts";

export interface OpenHubFolderOptions extends HubOptions {
  /** Branch, tag or commit; a commit is final, the others are looked up anew each time. Default `main`. */
  readonly revision?: string;
}

/**
 * Opens a folder as a copy of a repository at a commit; the folder may be new. Asks the hub for the commit and its list of files, once
 * for each commit; offline, both must be on disk from before.
 */
export async function openHubFolder(
  repositoryName: string,
  folder: string,
  options: OpenHubFolderOptions = {},
): Promise<HubFolder> {
  const repository = parseRepository(repositoryName);
  const id = repositoryId(repository);
  const { revision = "main" } = options;
  const root = resolve(folder);
  const connection = await connectHub(options);
  const identity = await readIdentity(root, id);
  const commit = await commitOf(connection, repository, revision, identity, root);
  const listed = await filesOf(connection, repository, commit, root);
  // Last, so that a folder never belongs to a repository that turned out not to be there.
  if (identity.revisions[revision] !== commit && !connection.offline) {
    await writeIdentity(root, { repository: id, revisions: { ...identity.revisions, [revision]: commit } });
  }
  const files = new Map(listed.map((file) => [file.path, file]));
  return hubFolder(connection, repository, revision, commit, files, root);
}

async function commitOf(
  connection: HubConnection,
  repository: HubRepository,
  revision: string,
  { revisions }: FolderIdentity,
  folder: string,
): Promise<string> {
  if (isCommit(revision)) return revision;
  if (!connection.offline) return resolveCommit(connection, repository, revision);
  const known = revisions[revision];
  if (known !== undefined) return known;
  throw nothingOffline(repository, `${folder} holds nothing of revision ${revision}`);
}

async function filesOf(
  connection: HubConnection,
  repository: HubRepository,
  commit: string,
  folder: string,
): Promise<readonly HubFile[]> {
  const known = await readListing(folder, commit);
  if (known !== undefined) return known;
  if (connection.offline) throw nothingOffline(repository, `${folder} holds nothing of commit ${commit}`);
  const files = await listRepository(connection, repository, commit);
  await writeListing(folder, commit, files);
  return files;
}

function nothingOffline(repository: HubRepository, problem: string): HubError {
  return new HubError("offline", `${repositoryId(repository)}: offline, and ${problem}`, {
    hint: "download it once with a connection, or copy a folder that has it",
  });
}
