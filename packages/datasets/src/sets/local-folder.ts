import { readdir } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { checkOptions } from "@vlmopt/options";
import { DatasetError } from "../dataset-error.ts";
import type { FileTree } from "./file-tree.ts";
import { vqaSetRules } from "./option-rules.ts";
import { openVqaSet, type VqaSet, type VqaSetOptions } from "./vqa-set.ts";

/**
 * A visual question set in a folder: `<split>.json`, `.jsonl`, `.csv`, `.tsv` or `.parquet`, and images in whatever folders below.
 * Rows as VQAonline has them need no options but the split.
 */
export async function localFolder(folder: string, options: VqaSetOptions = {}): Promise<VqaSet> {
  checkOptions("localFolder", options, vqaSetRules);
  return openVqaSet(await folderTree(folder), options);
}

/** The files below a folder. */
export async function folderTree(given: string): Promise<FileTree> {
  const folder = resolve(given);
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: { code?: string }) => {
      const reason =
        error.code === "ENOENT" ? "no such folder" : error.code === "ENOTDIR" ? "is no folder" : error.code;
      throw new DatasetError("unreadable-file", `${folder}: ${reason}`);
    },
  );
  const paths = entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => !path.split("/").some((part) => part.startsWith(".")))
    .sort();
  return {
    name: folder,
    commit: undefined,
    paths,
    pathOf: (path) => join(folder, path),
    fetch: async () => {},
  };
}
