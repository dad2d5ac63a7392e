import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { parse } from "csv-parse";
import { rowsTable } from "./rows-table.ts";
import type { Table } from "./table.ts";

/** Reads rows under a line of column names (RFC 4180). Cells that hold a JSON list are lists. */
export async function readCsv(path: string, delimiter: string): Promise<Table> {
  const rows: Record<string, unknown>[] = [];
  const parser = parse({ bom: true, columns: true, delimiter, skip_empty_lines: true });
  await pipeline(createReadStream(path), parser, async (records: AsyncIterable<Record<string, string>>) => {
    for await (const record of records) {
      rows.push(
        Object.fromEntries(Object.entries(record).map(([column, text]) => [column, listOrText(text)])),
      );
    }
  });
  return rowsTable(path, rows);
}

/** `["blue", "navy"]` as a list of two; everything else, `[1, 2]` too, is text. */
function listOrText(text: string): string | string[] {
  if (!text.startsWith('["')) return text;
  try {
    const list: unknown = JSON.parse(text);
    return Array.isArray(list) && list.every((item) => typeof item === "string") ? list : text;
  } catch {
    return text;
  }
}
