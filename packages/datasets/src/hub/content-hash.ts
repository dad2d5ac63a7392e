import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/**
 * How the hub names the content of a file: large files by the SHA-256 of their bytes, others as git does, by the SHA-1 of
 * `blob <size>\0` and the bytes.
 */
export type ContentId = `sha256:${string}` | `git-sha1:${string}`;

export interface ContentHasher {
  update(bytes: Uint8Array): void;
  digest(): ContentId;
}

/** Hashes bytes the way that `like` was made; `size` is that of the whole file, in bytes. */
export function contentHasher(like: ContentId, size: number): ContentHasher {
  const isSha256 = like.startsWith("sha256:");
  const hash = createHash(isSha256 ? "sha256" : "sha1");
  if (!isSha256) hash.update(`blob ${size}\0`);
  return {
    update: (bytes) => void hash.update(bytes),
    digest: () => (isSha256 ? `sha256:${hash.digest("hex")}` : `git-sha1:${hash.digest("hex")}`),
  };
}

/** Feeds a file's bytes, from its beginning, to a hasher. */
export async function hashFile(path: string, hasher: ContentHasher, signal?: AbortSignal): Promise<void> {
  const stream = createReadStream(path, {
    highWaterMark: 1 << 20,
    ...(signal === undefined ? {} : { signal }),
  });
  for await (const chunk of stream) hasher.update(chunk as Buffer);
}
