import { type FileHandle, open } from "node:fs/promises";
import { SourceError } from "../errors.ts";
import { assertRange, type ByteSource } from "./byte-source.ts";

/**
 * Opens a local file for reading. The handle stays open until `close()`, so the bytes stay readable even if the path is
 * replaced meanwhile.
 * @throws {SourceError} where the file is missing, is a folder, or may not be read.
 */
export async function fileSource(path: string): Promise<ByteSource & { readonly path: string }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, "r");
    const stats = await handle.stat();
    if (!stats.isFile()) throw new SourceError(path, "is not a regular file");
    return fileHandleSource(handle, path, stats.size);
  } catch (error) {
    await handle?.close();
    throw error instanceof SourceError ? error : new SourceError(path, reasonOf(error), { cause: error });
  }
}

function fileHandleSource(
  handle: FileHandle,
  path: string,
  size: number,
): ByteSource & { readonly path: string } {
  return {
    name: path,
    path,
    size,
    mergeGap: 0,
    async read(offset, length, signal) {
      assertRange(this, offset, length);
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        signal?.throwIfAborted();
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) {
          throw new SourceError(
            path,
            `ended at byte ${offset + filled}, ${length - filled} bytes early: it was cut while being read`,
          );
        }
        filled += bytesRead;
      }
      return bytes;
    },
    async close() {
      await handle.close();
    },
  };
}

/** A system error in words: the sentence a person needs instead of `ENOENT: …, open '…'`. */
export function reasonOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  switch (code) {
    case "ENOENT":
      return "no such file or folder";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    case "EISDIR":
      return "is a folder";
    case "ENOTDIR":
      return "a part of the path is not a folder";
    case "ENOSPC":
      return "no space left on the device";
    case "EROFS":
      return "the file system is read-only";
    case "EDQUOT":
      return "the disk quota is used up";
    case "EMFILE":
      return "too many open files";
    case "ENAMETOOLONG":
      return "the name is too long";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}
