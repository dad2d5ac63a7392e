import { CheckpointError } from "../errors.ts";
import { parseShardIndex } from "../format/shard-index.ts";
import { type ByteSource, memorySource } from "../source/byte-source.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { assemble } from "./open-sources.ts";
import { missingShard, openShards, weightFile } from "./weight-files.ts";

/**
 * Opens a checkpoint of files as a browser's page is given them, chosen or dropped: weights, their index where they are several, and what
 * lies beside them. Reads headers only; other bytes are read when they are asked for.
 * @param location what errors call it
 * @throws {CheckpointError} where the files disagree with the format or with each other, or two have one name.
 * @throws {SourceError} where they cannot be read.
 */
export async function openFiles(files: Iterable<File>, location = "the files given"): Promise<Checkpoint> {
  const byName = filesByName(files, location);
  const sourceOf = (name: string) => {
    const file = byName.get(name);
    return file && memorySource(file, name);
  };
  const readSibling: Checkpoint["readSibling"] = async (name) => {
    const source = sourceOf(name);
    return source?.read(0, source.size);
  };
  const found = weightFile([...byName.keys()], location);
  if ("only" in found) {
    return assemble(location, undefined, [sourceOf(found.only) as ByteSource], undefined, readSibling);
  }
  const { index } = found;
  const { weightMap } = parseShardIndex((await readSibling(index)) as Uint8Array, index);
  const sources = await openShards(weightMap, async (shard, tensor) => {
    const source = sourceOf(shard);
    if (source === undefined) throw missingShard(index, shard, tensor);
    return source;
  });
  return assemble(location, undefined, sources, { file: index, files: weightMap }, readSibling);
}

function filesByName(files: Iterable<File>, location: string): ReadonlyMap<string, File> {
  const byName = new Map<string, File>();
  for (const file of files) {
    if (byName.has(file.name)) {
      throw new CheckpointError("no-checkpoint", `two of the files are called ${file.name}`, {
        file: location,
        hint: "give the files of one folder, without those of folders in it",
      });
    }
    byName.set(file.name, file);
  }
  return byName;
}
