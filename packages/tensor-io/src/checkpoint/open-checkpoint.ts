import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, sep } from "node:path";
import { CheckpointError, SourceError } from "../errors.ts";
import { type Header, readHeader } from "../format/header.ts";
import { INDEX_NAME, parseShardIndex, WEIGHTS_NAME } from "../format/shard-index.ts";
import type { ByteSource } from "../source/byte-source.ts";
import { fileSource, reasonOf } from "../source/file-source.ts";
import { type HttpOptions, httpSource } from "../source/http-source.ts";
import type { TensorInfo } from "../tensor-info.ts";
import type { Checkpoint } from "./checkpoint.ts";

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

/** Opens sources that are already there (memory, Blobs, a custom store) as one checkpoint. */
export async function openSources(sources: readonly ByteSource[], location = "memory"): Promise<Checkpoint> {
  return assemble(location, undefined, sources, undefined, async () => undefined);
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
  const names = (await readdir(location)).sort();
  const indexes = names.filter((name) => name.endsWith(".safetensors.index.json"));
  const index = indexes.includes(INDEX_NAME) ? INDEX_NAME : indexes[0];
  if (index !== undefined) return openIndexFile(location, join(location, index));
  const weights = names.filter((name) => name.endsWith(".safetensors"));
  const only = weights.includes(WEIGHTS_NAME) ? WEIGHTS_NAME : weights.length === 1 ? weights[0] : undefined;
  if (only !== undefined) {
    return assemble(
      location,
      location,
      [await fileSource(join(location, only))],
      undefined,
      siblingReader(location),
    );
  }
  throw new CheckpointError(
    "no-checkpoint",
    weights.length === 0
      ? "the folder holds no .safetensors file and no index"
      : `the folder holds ${weights.length} .safetensors files and no index that says how they belong together`,
    weights.length === 0
      ? { file: location }
      : { file: location, hint: `name one of them, such as ${weights[0]}` },
  );
}

async function openIndexFile(location: string, indexPath: string): Promise<Checkpoint> {
  const folder = dirname(indexPath);
  const { weightMap } = parseShardIndex(await readWhole(indexPath), indexPath);
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

async function openUrl(location: string, options: HttpOptions): Promise<Checkpoint> {
  const url = new URL(location);
  if (url.pathname.endsWith(".safetensors")) {
    return assemble(
      location,
      undefined,
      [await httpSource(url, options)],
      undefined,
      urlSiblingReader(url, options),
    );
  }
  const base = url.pathname.endsWith(".index.json") ? url : new URL(INDEX_NAME, folderUrl(url));
  const readSibling = urlSiblingReader(base, options);
  const index = await readSibling(basename(base.pathname));
  if (index === undefined) {
    const weights = new URL(WEIGHTS_NAME, base);
    const source = await httpSource(weights, options).catch((error: unknown) => {
      if (!(error instanceof SourceError && error.status === 404)) throw error;
      throw new CheckpointError(
        "no-checkpoint",
        `the server has neither ${INDEX_NAME} nor ${WEIGHTS_NAME} there`,
        { file: location },
      );
    });
    return assemble(location, undefined, [source], undefined, readSibling);
  }
  const { weightMap } = parseShardIndex(index, base.href);
  const sources = await openShards(weightMap, async (shard, tensor) =>
    httpSource(new URL(shard, base), options).catch((error: unknown) => {
      if (!(error instanceof SourceError && error.status === 404)) throw error;
      throw missingShard(base.href, shard, tensor);
    }),
  );
  const files = new Map([...weightMap].map(([tensor, shard]) => [tensor, new URL(shard, base).href]));
  return assemble(location, undefined, sources, { file: base.href, files }, readSibling);
}

/** A repository's page `/org/name[/tree/rev]` serves its files under `/org/name/resolve/rev/`; any other URL is a folder. */
function folderUrl(url: URL): URL {
  const repository = /^(\/[^/]+\/[^/]+)(?:\/tree\/([^/]+))?$/.exec(url.pathname);
  const folder = new URL(url);
  folder.search = "";
  folder.hash = "";
  if (url.pathname.endsWith("/")) return folder;
  folder.pathname =
    repository === null ? `${url.pathname}/` : `${repository[1]}/resolve/${repository[2] ?? "main"}/`;
  return folder;
}

function missingShard(index: string, shard: string, tensor: string): CheckpointError {
  return new CheckpointError("missing-shard", `the index names the file ${shard}, which is not there`, {
    file: index,
    tensor,
    hint: "the download may be incomplete",
  });
}

/** Opens every shard of the map, in the order of their names; `tensor` is one that it holds. Where one fails, closes the others. */
async function openShards(
  weightMap: ReadonlyMap<string, string>,
  open: (shard: string, tensor: string) => Promise<ByteSource>,
): Promise<ByteSource[]> {
  const tensorByShard = new Map([...weightMap].map(([tensor, shard]) => [shard, tensor]));
  const shards = [...tensorByShard].sort(([a], [b]) => (a < b ? -1 : 1));
  const results = await Promise.allSettled(shards.map(([shard, tensor]) => open(shard, tensor)));
  const failed = results.find((result) => result.status === "rejected");
  const sources = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  if (failed === undefined) return sources;
  await Promise.all(sources.map((source) => source.close()));
  throw failed.reason;
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

async function assemble(
  location: string,
  folder: string | undefined,
  sources: readonly ByteSource[],
  index: { file: string; files: ReadonlyMap<string, string> } | undefined,
  readSibling: Checkpoint["readSibling"],
): Promise<Checkpoint> {
  const close = async () => {
    await Promise.all(sources.map((source) => source.close()));
  };
  try {
    const headers = await Promise.all(sources.map(readHeader));
    return {
      location,
      folder,
      metadata: mergedMetadata(headers),
      tensors: mergedTensors(headers, index),
      sources: new Map(sources.map((source) => [source.name, source])),
      readSibling,
      close,
      [Symbol.asyncDispose]: close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function mergedMetadata(headers: readonly Header[]): Record<string, string> {
  return Object.assign({}, ...headers.toReversed().map((header) => header.metadata));
}

/** All tensors of all files; where two files hold a name, the index decides. */
function mergedTensors(
  headers: readonly Header[],
  index: { file: string; files: ReadonlyMap<string, string> } | undefined,
): Map<string, TensorInfo> {
  const tensors = new Map<string, TensorInfo>();
  for (const tensor of headers.flatMap((header) => header.tensors)) {
    const listed = index?.files.get(tensor.name);
    if (listed !== undefined && listed !== tensor.file) continue;
    const other = tensors.get(tensor.name);
    if (other !== undefined) {
      throw new CheckpointError("duplicate-key", `${other.file} holds a tensor of this name too`, {
        file: tensor.file,
        tensor: tensor.name,
      });
    }
    tensors.set(tensor.name, tensor);
  }
  for (const [name, file] of index?.files ?? []) {
    if (tensors.has(name)) continue;
    throw new CheckpointError("missing-tensor", `${index?.file} says it is here, and it is not`, {
      file,
      tensor: name,
    });
  }
  return tensors;
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
    return there === undefined ? undefined : readWhole(path);
  };
}

function urlSiblingReader(base: URL, options: HttpOptions): Checkpoint["readSibling"] {
  return async (name) => {
    try {
      const source = await httpSource(new URL(name, base), options);
      return await source.read(0, source.size);
    } catch (error) {
      if (error instanceof SourceError && error.status === 404) return undefined;
      throw error;
    }
  };
}
