import { posix } from "node:path";
import { DatasetError } from "../dataset-error.ts";
import { pathFilter } from "../hub/path-patterns.ts";
import { isTable } from "../records/read-table.ts";

/** Names that a split goes by, as the hub's own tools know them. */
const ALIASES: readonly (readonly string[])[] = [
  ["train", "training"],
  ["validation", "valid", "val", "dev"],
  ["test", "testing", "eval", "evaluation"],
];

/** Files that stand beside data and hold none. */
const NO_DATA = /(^|\/)(dataset_infos?|config|package(-lock)?|meta(data)?|infos?|pruning|index)\.json$|^\./;

export interface DataFileChoice {
  readonly split?: string | undefined;
  /** Folder of the hub's configuration, where it has one of that name. */
  readonly config?: string | undefined;
  /** Patterns of the files that hold the rows; they override the search by split. */
  readonly files?: readonly string[] | undefined;
}

/**
 * The files that hold a split's rows, in the order of their names: `val.json`; `data/validation-00000-of-00002.parquet` and its
 * like; or those that patterns name. @throws {DatasetError} where there are none, or no telling which
 */
export function chooseDataFiles(paths: readonly string[], set: string, choice: DataFileChoice): string[] {
  const { config, split, files } = choice;
  if (files !== undefined) {
    const chosen = paths.filter(pathFilter(files, undefined));
    if (chosen.length > 0) return chosen.sort();
    throw noDataFile(set, `no file matches ${files.join(", ")}`, paths);
  }
  const all = paths.filter((path) => isTable(path) && !NO_DATA.test(path)).sort();
  const configured = all.filter((path) => config !== undefined && path.startsWith(`${config}/`));
  const tables = configured.length > 0 ? configured : all;
  const candidates = split === undefined ? tables : ofSplit(tables, split);
  if (candidates.length === 0) {
    throw noDataFile(set, split === undefined ? "there are no rows" : `there is no split ${split}`, tables);
  }
  const groups = new Set(candidates.map(shardGroup));
  if (groups.size === 1) return candidates;
  throw new DatasetError(
    "several-data-files",
    `${set}: rows may be in any of ${candidates.slice(0, 8).join(", ")}`,
    {
      hint: split === undefined ? "name a split, or the files" : "name the files",
    },
  );
}

/** Those named after the split and nothing else, else those with it among the words of their path. */
function ofSplit(tables: readonly string[], split: string): string[] {
  const names = ALIASES.find((aliases) => aliases.includes(split.toLowerCase())) ?? [split.toLowerCase()];
  const named = tables.filter((path) => path.toLowerCase().replace(/\.\w+$/, "") === split.toLowerCase());
  if (named.length > 0) return named;
  return tables.filter((path) =>
    path
      .toLowerCase()
      .split(/[^a-z0-9]+/)
      .some((word) => names.includes(word)),
  );
}

/** The same for all shards of one table. */
function shardGroup(path: string): string {
  return path.replace(/-\d+-of-\d+/, "").replace(/(^|[/_-])\d+(?=\.\w+$)/, "$1");
}

function noDataFile(set: string, problem: string, paths: readonly string[]): DatasetError {
  const some = paths.slice(0, 8).map((path) => posix.normalize(path));
  const more = paths.length > some.length ? ", …" : "";
  return new DatasetError("no-data-file", `${set}: ${problem}`, {
    hint:
      some.length === 0
        ? "it holds no JSON, JSONL, CSV, TSV or parquet file"
        : `it holds ${some.join(", ")}${more}`,
  });
}
