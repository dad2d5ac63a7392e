import { lstat, readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { foreignFiles } from "./written-files.ts";

/** Names that a message lists. */
const NAMED_IN_MESSAGES = 3;

/** What is there may not be replaced. */
export class InTheWayError extends Error {
  override readonly name = "InTheWayError";
  readonly path: string;
  readonly hint: string;

  constructor(path: string, message: string, hint: string) {
    super(`${path}: ${message}`);
    this.path = path;
    this.hint = hint;
  }
}

export interface ReplaceOptions {
  /** Paths that are read meanwhile: files or folders. Those that are not there, such as URLs, count for nothing. */
  readonly inputs?: readonly string[];
  /** The working folder; the process's unless told. */
  readonly workingFolder?: string;
}

/**
 * Refuses to replace a file or folder unless vlmopt wrote all of it, or it is empty; and never what is read, a folder around it or within
 * it, nor the working folder or one around it. Links and relative paths are followed first. What is not there may be written.
 * @throws {InTheWayError} saying what is in the way
 */
export async function assertReplaceable(path: string, options: ReplaceOptions = {}): Promise<void> {
  const place = resolve(path);
  const found = await lstat(place).catch(() => undefined);
  if (found === undefined) return;
  if (found.isSymbolicLink()) {
    throw new InTheWayError(
      path,
      `is a link to ${await readlink(place)}, which is not replaced`,
      "name the folder itself, or another name",
    );
  }
  const target = join(await realpath(dirname(place)), basename(place));
  for (const input of options.inputs ?? []) {
    const real = await realpath(input).catch(() => undefined);
    if (real === undefined) continue;
    const problem =
      real === target || (await isSameFile(real, target))
        ? "is the input"
        : contains(target, real)
          ? `holds the input, ${input}`
          : contains(real, target)
            ? `lies within the input, ${input}`
            : undefined;
    if (problem !== undefined) {
      throw new InTheWayError(path, `${problem}, which is never replaced`, "write to another folder");
    }
  }
  const here = await realpath(options.workingFolder ?? process.cwd());
  if (here === target || contains(target, here)) {
    const problem = here === target ? "is the working folder" : "holds the working folder";
    throw new InTheWayError(path, `${problem}, which is never replaced`, "write to another folder");
  }
  if (!found.isDirectory() && !found.isFile()) {
    throw new InTheWayError(path, "is neither a file nor a folder", "choose another name");
  }
  const foreign = await foreignFiles(place);
  if (foreign.length === 0) return;
  const named = foreign.slice(0, NAMED_IN_MESSAGES).join(", ");
  const more = foreign.length - NAMED_IN_MESSAGES;
  const what = found.isDirectory() ? `holds ${named}${more > 0 ? ` and ${more} more` : ""}` : "is there";
  const whose = foreign.length > 1 ? "files that vlmopt did not write" : "which vlmopt did not write";
  throw new InTheWayError(
    path,
    `${what}, ${whose}, or which changed since`,
    "choose another name, or move what is there",
  );
}

function contains(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== "" && way !== ".." && !way.startsWith(`..${sep}`) && resolve(folder, way) === path;
}

/** Hard links, and names that differ in case alone where that does not count. */
async function isSameFile(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all(
    [a, b].map((path) => stat(path, { bigint: true }).catch(() => undefined)),
  );
  return one !== undefined && other !== undefined && one.dev === other.dev && one.ino === other.ino;
}
