import type { Table } from "./table.ts";

/** A table whose rows are all in memory. */
export function rowsTable(file: string, rows: readonly Readonly<Record<string, unknown>>[]): Table {
  const columns = new Set<string>();
  for (const row of rows) for (const column in row) columns.add(column);
  return { file, columns: [...columns], rows, firstRow: 0, isLast: true };
}
