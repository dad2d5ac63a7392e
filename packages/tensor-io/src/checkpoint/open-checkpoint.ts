import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { CheckpointError, SourceError } from "../errors.ts";
import { parseShardIndex } from "../format/shard-index.ts";
import { fileSource, reasonOf } from "../source/file-source.ts";
import type { HttpOptions } from "../source/http-source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { assemble } from "./open-sources.ts";
import { openUrl } from "./open-url.ts";
import { assertNotMistaken, missingShard, openShards, weightFile } from "./weight-files.ts";

/**
 * Opens a checkpoint: a `.safetensors` file, a `*.safetensors.index.json`, a folder that holds either, or the URL of any of these
 * (of a repository on a hub that serves files under `resolve/main/`, too). Reads headers only.
 * @throws {CheckpointError} where the files disagree with the format or with each other.
 * @throws {SourceError} where they cannot be read.
 */
export async function openCheckpoint(location: string | URL, options: HttpOptions = {}): Promise<Checkpoint> {
  const place = String(location);
  return /^https?:\/\//.test(place) ? openUrl(place, options) : openPath(place);
}

async function openPath(location: string): Promise<Checkpoint> {
  const stats = await stat(location).catch((error: unknown) => {
    throw new SourceError(location, reasonOf(error), { cause: error });
  });
  if (!stats.isDirectory()) {
    if (!location.endsWith(".index.json")) {
      const folder = dirname(location);
      return assemble(location, folder, [await fileSource(location)], undefined, siblingReader(folder));
    }
    return openIndexFile(location, location);
  }
  const found = weightFile(await readdir(location), location);
  if ("index" in found) return openIndexFile(location, join(location, found.index));
  const source = await fileSource(join(location, found.only));
  return assemble(location, location, [source], undefined, siblingReader(location));
}

async function openIndexFile(location: string, indexPath: string): Promise<Checkpoint> {
  const folder = dirname(indexPath);
  const index = await readWhole(indexPath);
  assertNotMistaken(index, indexPath);
  const { weightMap } = parseShardIndex(index, indexPath);
  const sources = await openShards(weightMap, async (shard, tensor) => {
    const path = join(folder, shard);
    await assertInside(folder, path, tensor, indexPath).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw missingShard(indexPath, shard, tensor);
    });
    return fileSource(path);
  });
  const files = new Map([...weightMap].map(([tensor, shard]) => [tensor, join(folder, shard)]));
  return assemble(location, folder, sources, { file: indexPath, files }, siblingReader(folder));
}

/**
 * Refuses a shard whose real path is outside the folder, with one exception: the hub's cache, where `snapshots/<revision>/` holds
 * links into the `blobs/` beside it.
 */
async function assertInside(folder: string, path: string, tensor: string, index: string): Promise<void> {
  const root = await realpath(folder);
  const target = await realpath(path);
  const cache = basename(dirname(root)) === "snapshots" ? join(dirname(dirname(root)), "blobs") : root;
  if (target.startsWith(root + sep) || target.startsWith(cache + sep)) return;
  throw new CheckpointError(
    "path-escapes-folder",
    `its file ${path} is a link to ${target}, outside the folder`,
    {
      file: index,
      tensor,
    },
  );
}

async function readWhole(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error: unknown) => {
    throw new SourceError(path, reasonOf(error), { cause: error });
  });
}

function siblingReader(folder: string): Checkpoint["readSibling"] {
  return async (name) => {
    const path = join(folder, name);
    const there = await stat(path).catch(() => undefined);
    if (there === undefined) return undefined;
    const bytes = await readWhole(path);
    assertNotMistaken(bytes, path);
    return bytes;
  };
}
