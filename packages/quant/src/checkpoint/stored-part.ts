import { type Checkpoint, readTensor, tensorNamed } from "@vlmopt/tensor-io/browser";

/** A tensor beside the one that a stage works on: where it lies in a file, so that the stage's thread reads it when its turn comes, or itself. */
export type StoredPart =
  | { readonly path: string; readonly offset: number; readonly byteLength: number }
  | { readonly bytes: Uint8Array };

export async function storedPart(checkpoint: Checkpoint, name: string): Promise<StoredPart> {
  const { file, offset, byteLength } = tensorNamed(checkpoint, name);
  const path = checkpoint.sources.get(file)?.path;
  return path === undefined ? { bytes: await readTensor(checkpoint, name) } : { path, offset, byteLength };
}

/** @throws {SourceError} where its bytes cannot be had */
export async function readPart(
  { sources }: Pick<Checkpoint, "sources">,
  part: StoredPart,
): Promise<Uint8Array> {
  if ("bytes" in part) return part.bytes;
  const source = [...sources.values()].find(({ path }) => path === part.path);
  if (source === undefined) throw new TypeError(`${part.path} is no file of this checkpoint`);
  return source.read(part.offset, part.byteLength);
}
