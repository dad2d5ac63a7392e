import { extname } from "node:path";
import { DatasetError } from "../dataset-error.ts";
import { readCsv } from "./csv-table.ts";
import { readJson, readJsonLines } from "./json-table.ts";
import { readParquet } from "./parquet-table.ts";

/** Rows of a file. */
export interface Table {
  /** For messages. */
  readonly file: string;
  readonly columns: readonly string[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  /** Every cell is text: what a list was before it was written is one cell. */
  readonly cellsAreText?: boolean;
  /** Reads a row's image, where the file itself holds the images' bytes; they stay there until asked for. A name stands for a file. */
  readonly readImage?: (row: number) => Promise<Uint8Array | string | undefined>;
}

/** What to read of a file: files of columns read no others. */
export interface TableSelection {
  /** The column of images: it may hold bytes. */
  readonly image: string;
  /** Of files of text. Default: UTF-8, or UTF-16 where its byte order mark says so. */
  readonly encoding?: string | undefined;
  choose(available: readonly string[]): readonly string[];
}

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
