import { appendFile, open } from "node:fs/promises";
import { fileSystemError } from "./file-system-error.ts";
import type { HubFile } from "./hub-file.ts";

/** A file that was verified, and how it looked on disk then: while it looks the same, it need not be hashed again. */
export interface LoggedFile extends HubFile {
  /** Milliseconds since 1970, as the file system keeps them. */
  readonly mtimeMs: number;
}

/** The verified files of a folder: one line of JSON each, appended as they are done, so that a kill loses at most the last one. */
export class DownloadLog {
  readonly #path: string;
  readonly #files = new Map<string, LoggedFile>();
  /** Bytes of the log that have been read. */
  #read = 0;

  constructor(path: string) {
    this.#path = path;
  }

  get(path: string): LoggedFile | undefined {
    return this.#files.get(path);
  }

  /** Reads what has been appended since, by this process or another. */
  async refresh(): Promise<void> {
    const handle = await open(this.#path, "r").catch(() => undefined);
    if (handle === undefined) return;
    try {
      const { size } = await handle.stat();
      const { buffer } = await handle.read({
        buffer: Buffer.alloc(Math.max(0, size - this.#read)),
        position: this.#read,
      });
      // A line without an end was cut off by a kill, or is being written.
      const end = buffer.lastIndexOf(0x0a) + 1;
      this.#read += end;
      for (const line of buffer.toString("utf8", 0, end).split("\n")) {
        const file = parseLine(line);
        if (file !== undefined) this.#files.set(file.path, file);
      }
    } finally {
      await handle.close();
    }
  }

  async append(file: LoggedFile): Promise<void> {
    try {
      // The line break in front ends a line that a kill has cut off.
      await appendFile(this.#path, `\n${JSON.stringify(file)}\n`);
    } catch (error) {
      throw fileSystemError(error, this.#path);
    }
    this.#files.set(file.path, file);
  }
}

function parseLine(line: string): LoggedFile | undefined {
  if (line === "") return undefined;
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
