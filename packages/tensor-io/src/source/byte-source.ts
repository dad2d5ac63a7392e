import { SourceError } from "../errors.ts";

/**
 * Random access to the bytes of one file, wherever it lives. Everything that reads a checkpoint reads through this.
 */
export interface ByteSource {
  /** What errors call it: a path, a URL, a file's name. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /** Set where the bytes are a local file, which worker threads may then open for themselves. */
  readonly path?: string;
  /**
   * Ranges of one file that are at most this many bytes apart are cheaper read as one. 0 for memory and files, more where
   * every read is a request.
   */
  readonly mergeGap: number;
  /**
   * Reads exactly `length` bytes from `offset`.
   * @throws {SourceError} where fewer are there or they cannot be had.
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Throws unless `[offset, offset + length)` lies inside the source. */
export function assertRange(source: { name: string; size: number }, offset: number, length: number): void {
  if (offset < 0 || length < 0 || offset + length > source.size) {
    throw new SourceError(
      source.name,
      `bytes ${offset} to ${offset + length} were asked of a file of ${source.size} bytes`,
    );
  }
}

/** A source over bytes in memory: an ArrayBuffer, a view of one, or a Blob (a `File` in a browser, a download of @huggingface/hub). */
export function memorySource(data: ArrayBuffer | Uint8Array | Blob, name = "memory"): ByteSource {
  const whole = data instanceof ArrayBuffer ? new Uint8Array(data) : data;
  const size = whole instanceof Blob ? whole.size : whole.byteLength;
  return {
    name,
    size,
    mergeGap: 0,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      assertRange(this, offset, length);
      if (!(whole instanceof Blob)) return whole.subarray(offset, offset + length);
      const bytes = whole.slice(offset, offset + length).arrayBuffer();
      return new Uint8Array(await bytes.catch((error: unknown) => unreadable(name, error)));
    },
    async close() {},
  };
}

/** A browser's file that was changed or moved after it was chosen cannot be read any more. */
function unreadable(name: string, error: unknown): never {
  throw new SourceError(name, `cannot be read: ${error instanceof Error ? error.message : error}`, {
    cause: error,
  });
}
