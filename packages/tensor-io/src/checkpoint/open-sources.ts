import { CheckpointError } from "../errors.ts";
import { type Header, readHeader } from "../format/header.ts";
import type { ByteSource } from "../source/byte-source.ts";
import type { TensorInfo } from "../tensor-info.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** Opens sources that are already there (memory, Blobs, a custom store) as one checkpoint. */
export async function openSources(sources: readonly ByteSource[], location = "memory"): Promise<Checkpoint> {
  return assemble(location, undefined, sources, undefined, async () => undefined);
}

/**
 * A checkpoint of opened files, which are closed where it comes to nothing.
 * @param index what it says: the name of each tensor's file
 */
export async function assemble(
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
