import { DatasetError } from "../dataset-error.ts";
import { type Place, placeText } from "./cell.ts";
import type { Table } from "./table.ts";
import type { VqaRecord } from "./vqa-record.ts";

export type Row = Readonly<Record<string, unknown>>;

/** Makes records of a table's rows. */
export interface RowReader {
  /** Columns that may hold pictures. */
  readonly images: readonly string[];
  /** The table's own columns that are read. */
  columnsRead(available: readonly string[]): string[];
  /** The same with dots, where a part of a column is enough. */
  readonly paths: readonly string[];
  /** @throws {DatasetError} where the table cannot be read so */
  check(table: Table): void;
  /** Columns with a path within that reaches nothing in any of these rows. */
  unreached?(table: Table): readonly string[];
  /**
   * The records of a row.
   * @param prefix goes before the row numbers that serve as ids
   */
  records(row: Row, place: Place, prefix: string): readonly (RowRecord | Unusable)[];
}

/** A row that asks nothing, and what is to be done. */
export interface Unusable {
  readonly problem: string;
  readonly hint: string;
}

/** A record, the row that it is of, and the columns of pictures that the file itself holds. */
export interface RowRecord {
  readonly record: VqaRecord;
  readonly row: number;
  readonly pictures: readonly string[];
}

/** A row that asks nothing: it has no question, or no picture of its own. */
export interface UnusableRow {
  /** File and row. */
  readonly place: string;
  readonly problem: string;
}

/**
 * The records of a table's rows.
 * @param leaveOut takes note of rows that ask nothing; without it they are errors
 */
export function toRecords(
  table: Table,
  reader: RowReader,
  prefix: string,
  leaveOut?: (row: UnusableRow) => void,
): RowRecord[] {
  return table.rows.flatMap((row, index): RowRecord[] => {
    const place = { table, row: table.firstRow + index };
    return reader.records(row, place, prefix).flatMap((read): RowRecord[] => {
      if (!("problem" in read)) return [read];
      if (leaveOut === undefined)
        throw new DatasetError("invalid-row", `${placeText(place)}: ${read.problem}`, { hint: read.hint });
      leaveOut({ place: placeText(place), problem: read.problem });
      return [];
    });
  });
}
