import { pipeline } from "node:stream/promises";
import { parse } from "csv-parse";
import { DatasetError } from "../dataset-error.ts";
import { rowsTable } from "./rows-table.ts";
import type { Table } from "./table.ts";
import { textPieces } from "./text-encoding.ts";

/** What spreadsheets part cells by, beside what the file's name says. */
const DELIMITERS = [",", ";", "\t", "|"];

/**
 * What programs write where there is nothing. Words of people (None, NA, null) are answers: pandas would lose them.
 */
const NOTHING = new Set(["", "NaN", "nan", "-NaN", "-nan", "<NA>", "#N/A", "#NA"]);

/**
 * Reads rows under a line of column names (RFC 4180). Empty cells are null.
 * @param delimiter what cells are parted by, unless another one parts the line of names into more
 */
export async function readCsv(path: string, delimiter: string, encoding?: string): Promise<Table> {
  const pieces = textPieces(path, encoding);
  let begun = "";
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    begun += next.value;
    if (/[\r\n]/.test(begun)) break;
  }
  const parser = parse({
    columns: (names: string[]) => distinct(names, path),
    delimiter: delimiterOf(begun, delimiter),
    record_delimiter: ["\r\n", "\n", "\r"],
    // A quote within a cell that does not begin with one is a quote.
    relax_quotes: true,
    skip_empty_lines: true,
  });
  const rows: Record<string, string | null>[] = [];
  await pipeline(
    async function* () {
      yield begun;
      yield* pieces;
    },
    parser,
    async (records: AsyncIterable<Record<string, string>>) => {
      for await (const record of records) rows.push(withoutNothing(record));
    },
  );
  return { ...rowsTable(path, rows), cellsAreText: true };
}

function withoutNothing(record: Readonly<Record<string, string>>): Record<string, string | null> {
  return Object.fromEntries(
    Object.entries(record).map(([column, text]) => [column, NOTHING.has(text) ? null : text]),
  );
}

/** What parts cells: the usual one, unless another one parts the line of names into more. */
export function delimiterOf(text: string, usual: string): string {
  const [names = ""] = text.replace(/"[^"]*"/g, "").split(/[\r\n]/);
  const parts = (delimiter: string) => names.split(delimiter).length;
  return DELIMITERS.reduce((best, other) => (parts(other) > parts(best) ? other : best), usual);
}

function distinct(names: string[], path: string): string[] {
  const twice = names.find((name, i) => name !== "" && names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new DatasetError("unreadable-file", `${path}: two columns are named ${JSON.stringify(twice)}`, {
    hint: "give each column a name of its own",
  });
}
