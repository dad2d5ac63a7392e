import type { FileMetaData } from "hyparquet";

type Row = Readonly<Record<string, unknown>>;

/** Bytes of a row group's pictures that are held; of larger groups rows are read one by one. */
const MOST_BYTES_HELD = 256e6;

/**
 * Reads cells of a file's columns a row group at a time, so that pictures that are asked for in their order are decoded once. Of each column the group
 * that was read last is held.
 */
export function rowGroupReader(
  metadata: FileMetaData,
  read: (
    column: string,
    place: { rowStart: number; rowEnd: number; useOffsetIndex?: boolean },
  ) => Promise<readonly Row[]>,
): (row: number, column: string) => Promise<unknown> {
  const starts: number[] = [];
  let rows = 0;
  for (const group of metadata.row_groups) {
    starts.push(rows);
    rows += Number(group.num_rows);
  }
  const held = new Map<string, { readonly group: number; readonly cells: Promise<readonly Row[]> }>();
  return async (row, column) => {
    const group = starts.findLastIndex((start) => start <= row);
    const start = starts[group] ?? 0;
    if (bytesOf(metadata, group, column) > MOST_BYTES_HELD) {
      const [found] = await read(column, { rowStart: row, rowEnd: row + 1, useOffsetIndex: true });
      return found?.[column];
    }
    let last = held.get(column);
    if (last?.group !== group) {
      const cells = read(column, { rowStart: start, rowEnd: starts[group + 1] ?? rows });
      last = { group, cells };
      held.set(column, last);
      // What failed is read again when it is asked for again.
      cells.catch(() => held.delete(column));
    }
    return (await last.cells)[row - start]?.[column];
  };
}

function bytesOf({ row_groups }: FileMetaData, group: number, column: string): number {
  return (row_groups[group]?.columns ?? [])
    .filter(({ meta_data }) => meta_data?.path_in_schema[0] === column)
    .reduce((sum, { meta_data }) => sum + Number(meta_data?.total_uncompressed_size ?? 0), 0);
}

/**
 * Rows of a part, at least: the first is small, so that who wants few need not wait; others too, since rows of parts in work live long enough to be copied by the garbage
 * collector (200,000 rows: 288 MB in parts of 1,000, 508 MB in parts of 5,000).
 */
const FIRST_PART = 500;
const OTHER_PARTS = 1000;

/** Where parts of whole row groups begin and end. A file without rows is one part. */
export function partsOf(groups: readonly number[]): [start: number, end: number][] {
  const parts: [number, number][] = [];
  let [start, end] = [0, 0];
  for (const rows of groups) {
    end += rows;
    if (end - start < (parts.length === 0 ? FIRST_PART : OTHER_PARTS)) continue;
    parts.push([start, end]);
    start = end;
  }
  if (end > start || parts.length === 0) parts.push([start, end]);
  return parts;
}
