import {
  asyncBufferFromFile,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetReadObjects,
  parquetSchema,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { parseJson } from "./json-text.ts";
import { withMembers } from "./parquet-members.ts";
import { exactValue, needsExactness } from "./parquet-values.ts";
import { partsOf, rowGroupReader } from "./row-groups.ts";
import type { Table, TableSelection } from "./table.ts";
import { utf8Text } from "./text-encoding.ts";

/** Text that is no UTF-8 stays bytes, so that its row is told when it is wanted. */
const parsers: Partial<ParquetParsers> = {
  stringFromBytes: (bytes) => bytes && (utf8Text(bytes) ?? bytes),
  jsonFromBytes: (bytes) => bytes && parseJson(utf8Text(bytes) ?? ""),
};

/**
 * Reads the chosen columns of a parquet file. Images as bytes, alone or as the hub keeps them (`{bytes, path}`, a list of them too), stay in
 * the file: `readPictures` reads a row's, or tells their paths where there are no bytes.
 */
export async function* readParquet(
  path: string,
  { images, choose, paths = [] }: TableSelection,
): AsyncGenerator<Table> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const asked = withMembers(metadata, paths);
  const { children } = parquetSchema(asked);
  const columns = children.map(({ element }) => element.name);
  const pictureColumns = children
    .filter((node) => images.includes(node.element.name) && holdsBytes(node))
    .map(({ element }) => element.name);
  const wanted = choose(columns).filter(
    (column) => columns.includes(column) && !pictureColumns.includes(column),
  );
  // Text that is not marked as such must come as bytes, not as text that was decoded from them.
  const shared = { file, metadata, compressors, parsers, utf8: false };
  const inexact = children.filter((node) => wanted.includes(node.element.name) && needsExactness(node));
  const cellOf = rowGroupReader(metadata, (column, place) =>
    parquetReadObjects({ ...shared, ...place, columns: [column] }),
  );
  const pictures =
    pictureColumns.length === 0
      ? {}
      : {
          pictureColumns,
          readPictures: async (row: number, column: string) => picturesOf(await cellOf(row, column)),
        };
  const count = Number(metadata.num_rows);
  for (const [rowStart, rowEnd] of partsOf(metadata.row_groups.map(({ num_rows }) => Number(num_rows)))) {
    const read: Row[] =
      wanted.length === 0
        ? Array.from({ length: rowEnd - rowStart }, () => ({}))
        : await parquetReadObjects({ ...shared, metadata: asked, columns: wanted, rowStart, rowEnd });
    const rows = inexact.length === 0 ? read : read.map((row) => exactRow(row, inexact));
    yield { file: path, columns, rows, firstRow: rowStart, isLast: rowEnd === count, ...pictures };
  }
}

type Row = Readonly<Record<string, unknown>>;

function exactRow(row: Row, nodes: readonly SchemaTree[]) {
  const exact = nodes.map((node) => [node.element.name, exactValue(row[node.element.name], node)]);
  return { ...row, ...Object.fromEntries(exact) };
}

function picturesOf(value: unknown): (Uint8Array | string)[] {
  if (Array.isArray(value)) return value.flatMap(picturesOf);
  if (value instanceof Uint8Array) return value.length === 0 ? [] : [value];
  const { bytes, path } = (value ?? {}) as { readonly bytes?: unknown; readonly path?: unknown };
  if (bytes instanceof Uint8Array && bytes.length > 0) return [bytes];
  return typeof path === "string" && path !== "" ? [path] : [];
}

/** Bytes, a struct that has them, or a list of either. */
function holdsBytes(node: SchemaTree): boolean {
  if (isBinary(node)) return true;
  const [only] = node.children;
  if (node.children.length === 1 && only?.element.repetition_type === "REPEATED")
    return holdsBytes(only.children.length === 1 ? (only.children[0] as SchemaTree) : only);
  return node.children.some((child) => child.element.name === "bytes" && isBinary(child));
}

function isBinary({ element }: SchemaTree): boolean {
  return (
    element.type === "BYTE_ARRAY" &&
    element.converted_type !== "UTF8" &&
    element.logical_type?.type !== "STRING"
  );
}
