import {
  asyncBufferFromFile,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Table, TableSelection } from "./table.ts";

/**
 * Reads the chosen columns of a parquet file. Images as bytes, alone or as the hub keeps them (`{bytes, path}`), stay in the file:
 * `readImage` reads a row's from its pages.
 */
export async function readParquet(path: string, { image, choose }: TableSelection): Promise<Table> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const { children } = parquetSchema(metadata);
  const columns = children.map(({ element }) => element.name);
  const imageColumn = children.find(({ element }) => element.name === image);
  const holdsImages =
    imageColumn !== undefined && (isBinary(imageColumn) || imageColumn.children.some(isBytesMember));
  const wanted = choose(columns).filter(
    (column) => columns.includes(column) && !(holdsImages && column === image),
  );
  // Text that is not marked as such must come as bytes, not as text that was decoded from them.
  const shared = { file, metadata, compressors, utf8: false };
  const rows = await parquetReadObjects({ ...shared, columns: wanted });
  if (!holdsImages) return { file: path, columns, rows };
  return {
    file: path,
    columns,
    rows,
    async readImage(row) {
      const place = { rowStart: row, rowEnd: row + 1, useOffsetIndex: true };
      const [found] = await parquetReadObjects({ ...shared, ...place, columns: [image] });
      const value: unknown = found?.[image];
      const bytes =
        value instanceof Uint8Array ? value : (value as { bytes?: unknown } | null | undefined)?.bytes;
      return bytes instanceof Uint8Array ? bytes : undefined;
    },
  };
}

function isBytesMember(column: SchemaTree): boolean {
  return column.element.name === "bytes" && isBinary(column);
}

function isBinary({ element }: SchemaTree): boolean {
  return (
    element.type === "BYTE_ARRAY" &&
    element.converted_type !== "UTF8" &&
    element.logical_type?.type !== "STRING"
  );
}
