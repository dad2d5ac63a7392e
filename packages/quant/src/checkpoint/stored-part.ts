import { closeSync, openSync, readSync } from "node:fs";
import { type Checkpoint, readTensor, SourceError, tensorNamed } from "@vlmopt/tensor-io";

/** A tensor beside the one that a stage works on: where it lies in a file, so that the stage's thread reads it when its turn comes, or itself. */
export type StoredPart =
  | { readonly path: string; readonly offset: number; readonly byteLength: number }
  | { readonly bytes: Uint8Array };

export async function storedPart(checkpoint: Checkpoint, name: string): Promise<StoredPart> {
  const { file, offset, byteLength } = tensorNamed(checkpoint, name);
  const path = checkpoint.sources.get(file)?.path;
  return path === undefined ? { bytes: await readTensor(checkpoint, name) } : { path, offset, byteLength };
}

/** @throws {SourceError} where the file has become shorter */
export function loadPart(part: StoredPart): Uint8Array {
  if ("bytes" in part) return part.bytes;
  const { path, offset, byteLength } = part;
  const bytes = new Uint8Array(byteLength);
  const fd = openSync(path, "r");
  try {
    for (let filled = 0; filled < byteLength; ) {
      const count = readSync(fd, bytes, filled, byteLength - filled, offset + filled);
      if (count === 0)
        throw new SourceError(path, `ended at byte ${offset + filled}, ${byteLength - filled} bytes early`);
      filled += count;
    }
  } finally {
    closeSync(fd);
  }
  return bytes;
}
