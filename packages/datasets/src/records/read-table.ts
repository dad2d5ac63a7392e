import { extname } from "node:path";
import { DatasetError } from "../dataset-error.ts";
import { readCsv } from "./csv-table.ts";
import { readJson, readJsonLines } from "./json-table.ts";
import { readParquet } from "./parquet-table.ts";
import type { Table, TableSelection } from "./table.ts";

const readers: Readonly<Record<string, (path: string, selection: TableSelection) => Promise<Table>>> = {
  ".json": readJson,
  ".jsonl": readJsonLines,
  ".ndjson": readJsonLines,
  ".csv": (path, { encoding }) => readCsv(path, ",", encoding),
  ".tsv": (path, { encoding }) => readCsv(path, "\t", encoding),
  ".parquet": readParquet,
};

/** Whether a file's name says that it holds rows. */
export function isTable(path: string): boolean {
  return extname(path).toLowerCase() in readers;
}

/** Reads a file of rows, in the form that its name says. */
export async function readTable(path: string, selection: TableSelection): Promise<Table> {
  const read = readers[extname(path).toLowerCase()];
  if (read === undefined) {
    const known = Object.keys(readers).join(", ");
    throw new DatasetError("unreadable-file", `${path}: is of a kind that is not read: those are ${known}`);
  }
  try {
    return await read(path, selection);
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new DatasetError("unreadable-file", `${path}: cannot be read: ${reason}`, { cause: error });
  }
}
