import { CheckpointError, SourceError } from "../errors.ts";
import { INDEX_NAME, parseShardIndex, WEIGHTS_NAME } from "../format/shard-index.ts";
import { type HttpOptions, httpSource } from "../source/http-source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { assemble } from "./open-sources.ts";
import { missingShard, openShards } from "./weight-files.ts";

/**
 * Opens a checkpoint by the URL of a `.safetensors` file, of a `*.safetensors.index.json`, of a folder that holds either, or of a
 * repository's page on a hub that serves files under `resolve/main/`. The server must answer range requests. Reads headers only.
 * @param place in a browser it may be relative to the page
 * @throws {CheckpointError} where the files disagree with the format or with each other.
 * @throws {SourceError} where they cannot be read.
 */
export async function openUrl(place: string | URL, options: HttpOptions = {}): Promise<Checkpoint> {
  const url = new URL(place, globalThis.location?.href);
  const location = String(place);
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
  const index = await readSibling(base.pathname.replace(/.*\//, ""));
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
