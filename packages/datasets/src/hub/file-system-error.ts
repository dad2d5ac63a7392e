import { HubError } from "./hub-error.ts";

const reasons: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOTDIR: "a file stands where a folder should be",
  EISDIR: "a folder stands where a file should be",
  ENAMETOOLONG: "the name is too long for this file system",
  EMFILE: "too many files are open",
};

/** What went wrong with a file, in words; other errors are returned as they are. */
export function fileSystemError(error: unknown, path: string): unknown {
  const { code } = error as { code?: unknown };
  if (error instanceof HubError || typeof code !== "string") return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HubError("disk-full", `${path}: no space left on the device`, {
      hint: "free some space and run it again: what has arrived is kept",
      cause: error,
    });
  }
  return new HubError("file-system", `${path}: ${reasons[code] ?? code}`, { cause: error });
}
