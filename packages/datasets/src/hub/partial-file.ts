import { constants } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { type ContentHasher, contentHasher, hashFile } from "./content-hash.ts";
import { fileSystemError } from "./file-system-error.ts";
import type { HubFile } from "./hub-file.ts";

/**
 * The bytes of a file that have arrived so far, hashed as they come. It is named after the content it is to hold, so it may be gone on
 * with whenever, and whatever path or revision wants that content.
 */
export class PartialFile implements AsyncDisposable {
  readonly #path: string;
  readonly #file: HubFile;
  readonly #handle: FileHandle;
  #hasher: ContentHasher;
  #offset: number;

  private constructor(
    path: string,
    file: HubFile,
    handle: FileHandle,
    hasher: ContentHasher,
    offset: number,
  ) {
    this.#path = path;
    this.#file = file;
    this.#handle = handle;
    this.#hasher = hasher;
    this.#offset = offset;
  }

  /** Opens what an earlier download left, and hashes it, or begins anew. */
  static async open(path: string, file: HubFile, signal?: AbortSignal): Promise<PartialFile> {
    try {
      await mkdir(dirname(path), { recursive: true });
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
      const { size } = await handle.stat();
      const partial = new PartialFile(path, file, handle, contentHasher(file.id, file.size), size);
      if (size > file.size) await partial.restart();
      else if (size > 0) await hashFile(path, partial.#hasher, signal);
      return partial;
    } catch (error) {
      throw fileSystemError(error, path);
    }
  }

  /** Bytes that are there. */
  get offset(): number {
    return this.#offset;
  }

  async append(bytes: Uint8Array): Promise<void> {
    try {
      for (let written = 0; written < bytes.length; ) {
        const position = this.#offset + written;
        written += (await this.#handle.write(bytes, written, bytes.length - written, position)).bytesWritten;
      }
    } catch (error) {
      throw fileSystemError(error, this.#path);
    }
    this.#hasher.update(bytes);
    this.#offset += bytes.length;
  }

  /** Throws away what is there. */
  async restart(): Promise<void> {
    await this.#handle.truncate(0);
    this.#hasher = contentHasher(this.#file.id, this.#file.size);
    this.#offset = 0;
  }

  /** Moves the whole file to where it belongs. @returns false, and keeps nothing, where its bytes are not those that the hub lists */
  async finish(target: string): Promise<boolean> {
    if (this.#hasher.digest() !== this.#file.id) {
      await this.restart();
      return false;
    }
    try {
      await this.#handle.close();
      await mkdir(dirname(target), { recursive: true });
      await rename(this.#path, target);
    } catch (error) {
      throw fileSystemError(error, target);
    }
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
    // An empty file is nothing to go on with.
    if (this.#offset === 0 && this.#file.size > 0) await rm(this.#path, { force: true });
  }
}

/** Bytes that an earlier download left of a file. */
export async function partialSize(path: string): Promise<number> {
  return stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}
