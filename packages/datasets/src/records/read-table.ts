import { extname } from "node:path";
import { DatasetError } from "../dataset-error.ts";
import { readCsv } from "./csv-table.ts";
import { readJson, readJsonLines } from "./json-table.ts";
import { readParquet } from "./parquet-table.ts";
import type { Table, TableSelection } from "./table.ts";

type Reader = (path: string, selection: TableSelection) => AsyncIterable<Table>;

const readers: Readonly<Record<string, Reader>> = {
  ".json": whole(readJson),
  ".jsonl": whole(readJsonLines),
  ".ndjson": whole(readJsonLines),
  ".csv": whole((path, { encoding }) => readCsv(path, ",", encoding)),
  ".tsv": whole((path, { encoding }) => readCsv(path, "\t", encoding)),
  ".parquet": readParquet,
};

function whole(read: (path: string, selection: TableSelection) => Promise<Table>): Reader {
  return async function* (path, selection) {
    yield await read(path, selection);
  };
}

/** Whether a file's name says that it holds rows. */
export function isTable(path: string): boolean {
  return extname(path).toLowerCase() in readers;
}

/** Reads a file of rows, in the form that its name says, part by part. */
export async function* readTable(path: string, selection: TableSelection): AsyncGenerator<Table> {
  const read = readers[extname(path).toLowerCase()];
  if (read === undefined) {
    const known = Object.keys(readers).join(", ");
    throw new DatasetError("unreadable-file", `${path}: is of a kind that is not read: those are ${known}`);
  }
  const parts = read(path, selection)[Symbol.asyncIterator]();
  for (;;) {
    let part: IteratorResult<Table>;
    try {
      part = await parts.next();
    } catch (error) {
      if (error instanceof DatasetError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new DatasetError("unreadable-file", `${path}: cannot be read: ${reason}`, { cause: error });
    }
    if (part.done) return;
    yield part.value;
  }
}
