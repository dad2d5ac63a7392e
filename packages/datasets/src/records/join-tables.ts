import { DatasetError } from "../dataset-error.ts";
import type { Table } from "./table.ts";

/**
 * Adds to each row of a table the columns of the other tables' row that has the same value in a column.
 * @throws {DatasetError} where a row has none
 */
export function joinTables(table: Table, others: readonly Table[], by: string): Table {
  for (const { file, columns } of [table, ...others]) {
    if (!columns.includes(by))
      throw new DatasetError("missing-column", `${file}: there is no column ${JSON.stringify(by)}`, {
        hint: `its columns are ${columns.join(", ")}`,
      });
  }
  const rows = new Map(others.flatMap((other) => other.rows.map((row) => [String(row[by]), row] as const)));
  return {
    ...table,
    columns: [...new Set([table, ...others].flatMap(({ columns }) => columns))],
    rows: table.rows.map((row, i) => {
      const found = rows.get(String(row[by]));
      if (found !== undefined) return { ...found, ...row };
      throw new DatasetError(
        "invalid-row",
        `${table.file}: row ${table.firstRow + i}: ${others[0]?.file} has no row whose ${by} is ${JSON.stringify(row[by])}`,
      );
    }),
  };
}
