import { createHash } from "node:crypto";
import { lstat, open, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * The hidden file by which a folder is known as written by vlmopt: it lists the files and what they were like, so that what others put
 * there, or changed, is not taken for ours. It moves and is copied with the folder. Beside a single file it is `.<name>.vlmopt.json`.
 */
export const RECORD_NAME = ".vlmopt.json";

interface WrittenFiles {
  readonly version: 1;
  /** Path from the folder, with `/` → fingerprint; null for a file that is vlmopt's whatever it becomes. */
  readonly files: Readonly<Record<string, string | null>>;
}

/** Files that systems put into folders by themselves. */
const SYSTEMS_OWN = new Set([".DS_Store", "Thumbs.db", "desktop.ini"]);
/** Files up to this size are hashed whole, of larger ones so many pieces. */
const WHOLE_BYTES = 1 << 20;
const PIECES = 16;
const PIECE_BYTES = WHOLE_BYTES / PIECES;

/** Records a folder, or a file, as written by vlmopt: all of it, as it is now. */
export async function recordWritten(path: string): Promise<void> {
  const files: Record<string, string> = {};
  const isFolder = (await lstat(path)).isDirectory();
  for (const name of isFolder ? await filesIn(path) : [basename(path)]) {
    files[name] = await fingerprint(join(isFolder ? path : dirname(path), name));
  }
  await writeRecord(recordOf(path, isFolder), files);
}

/**
 * Records files by name alone, in a folder that lives on: before they are written, so that a kill in between leaves nothing that is nobody's.
 * @param names paths from the folder, with `/`
 */
export async function recordNames(folder: string, names: Iterable<string>): Promise<void> {
  await writeRecord(recordOf(folder, true), Object.fromEntries([...names].map((name) => [name, null])));
}

/** Names that a folder's record lists. */
export async function recordedNames(folder: string): Promise<Set<string>> {
  return new Set(Object.keys((await readRecord(recordOf(folder, true)))?.files ?? {}));
}

async function writeRecord(place: string, files: WrittenFiles["files"]): Promise<void> {
  const record: WrittenFiles = { version: 1, files };
  await writeFile(`${place}.tmp`, `${JSON.stringify(record, null, 2)}\n`);
  await rename(`${place}.tmp`, place);
}

/** Whether a folder has such a record. */
export async function isRecorded(folder: string): Promise<boolean> {
  return (await readRecord(recordOf(folder, true))) !== undefined;
}

/**
 * What stands at a path and was not written by vlmopt, or was changed since: names within a folder, with `/`, or the file's own. Empty
 * folders hold nothing of anybody.
 */
export async function foreignFiles(path: string): Promise<string[]> {
  const isFolder = (await lstat(path)).isDirectory();
  const names = isFolder ? await filesIn(path) : [basename(path)];
  const written = (await readRecord(recordOf(path, isFolder)))?.files ?? {};
  const foreign: string[] = [];
  for (const name of names) {
    const file = join(isFolder ? path : dirname(path), name);
    const known = Object.hasOwn(written, name) ? written[name] : undefined;
    if (known === null) continue;
    if (known === undefined || (await fingerprint(file).catch(() => "")) !== known) foreign.push(name);
  }
  return foreign;
}

function recordOf(path: string, isFolder: boolean): string {
  return isFolder ? join(path, RECORD_NAME) : join(dirname(path), `.${basename(path)}${RECORD_NAME}`);
}

async function readRecord(path: string): Promise<WrittenFiles | undefined> {
  try {
    const record = JSON.parse(await readFile(path, "utf8")) as WrittenFiles | null;
    return record?.version === 1 && typeof record.files === "object" ? record : undefined;
  } catch {
    return undefined;
  }
}

/** All that is no folder, in order, but for records and what systems put there. */
async function filesIn(folder: string, prefix = ""): Promise<string[]> {
  const names: string[] = [];
  for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
    const name = prefix + entry.name;
    if (entry.isDirectory()) names.push(...(await filesIn(folder, `${name}/`)));
    else if (name !== RECORD_NAME && !SYSTEMS_OWN.has(entry.name)) names.push(name);
  }
  return names.sort();
}

/** Size and SHA-256, of large files over pieces: weights of the same sizes that differ, differ everywhere. Links are not followed. */
async function fingerprint(path: string): Promise<string> {
  const stat = await lstat(path);
  if (!stat.isFile()) return "not a file";
  const { size } = stat;
  const hash = createHash("sha256");
  const file = await open(path, "r");
  try {
    const pieces = size <= WHOLE_BYTES ? 1 : PIECES;
    const buffer = Buffer.alloc(size <= WHOLE_BYTES ? size : PIECE_BYTES);
    for (let i = 0; i < pieces; i++) {
      const offset = pieces === 1 ? 0 : Math.floor((i * (size - PIECE_BYTES)) / (PIECES - 1));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return `${size}-${hash.digest("hex").slice(0, 32)}`;
}
