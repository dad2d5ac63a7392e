import { type ByteSource, type Checkpoint, openSources } from "@vlmopt/tensor-io";

/**
 * A checkpoint of files that are at hand as blobs, such as those dropped on a page; their bytes are read when they are asked for.
 * @param files by their names, without folders
 * @param location what messages call it
 * @throws {TypeError} where none of them holds weights, or config.json is not among them
 * @throws {CheckpointError} where the weights are not what safetensors are
 */
export async function filesCheckpoint(
  files: ReadonlyMap<string, Blob>,
  location: string,
): Promise<Checkpoint> {
  const weights = [...files].filter(([name]) => name.endsWith(".safetensors"));
  if (weights.length === 0) {
    throw new TypeError("There are no safetensors among these files: choose all files of a model.");
  }
  if (!files.has("config.json")) {
    throw new TypeError("config.json is missing: choose all files of the model's folder.");
  }
  const checkpoint = await openSources(
    weights.sort(([a], [b]) => a.localeCompare(b)).map(([name, blob]) => blobSource(name, blob)),
    location,
  );
  return {
    ...checkpoint,
    async readSibling(name) {
      const blob = files.get(name);
      return blob === undefined ? undefined : new Uint8Array(await blob.arrayBuffer());
    },
  };
}

function blobSource(name: string, blob: Blob): ByteSource {
  return {
    name,
    size: blob.size,
    mergeGap: 0,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
    close: async () => {},
  };
}
