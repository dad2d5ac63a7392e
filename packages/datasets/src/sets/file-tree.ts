import type { FetchOptions } from "../hub/hub-folder.ts";

/** Files of a data set, here already or to be fetched. Paths are relative, parts parted by `/`. */
export interface FileTree {
  /** `datasets/org/name` or a folder, for messages and signatures. */
  readonly name: string;
  /** The commit, where the files come from a hub. */
  readonly commit: string | undefined;
  readonly paths: readonly string[];
  /** Where a file is on disk, once fetched. */
  pathOf(path: string): string;
  fetch(paths: readonly string[], options?: FetchOptions): Promise<void>;
}
