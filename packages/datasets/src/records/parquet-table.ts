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
import { exactValue, needsExactness } from "./parquet-values.ts";
import type { Table, TableSelection } from "./table.ts";
import { utf8Text } from "./text-encoding.ts";

/** Text that is no UTF-8 stays bytes, so that its row is told when it is wanted. */
const parsers: Partial<ParquetParsers> = {
  stringFromBytes: (bytes) => bytes && (utf8Text(bytes) ?? bytes),
  jsonFromBytes: (bytes) => bytes && parseJson(utf8Text(bytes) ?? ""),
};

/**
 * Reads the chosen columns of a parquet file. Images as bytes, alone or as the hub keeps them (`{bytes, path}`, a list of one too), stay in
 * the file: `readImage` reads a row's from its pages, or tells its path where there are no bytes.
 */
export async function readParquet(path: string, { image, choose }: TableSelection): Promise<Table> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const { children } = parquetSchema(metadata);
  const columns = children.map(({ element }) => element.name);
  const imageColumn = children.find(({ element }) => element.name === image);
  const holdsImages = imageColumn !== undefined && holdsBytes(imageColumn);
  const wanted = choose(columns).filter(
    (column) => columns.includes(column) && !(holdsImages && column === image),
  );
  // Text that is not marked as such must come as bytes, not as text that was decoded from them.
  const shared = { file, metadata, compressors, parsers, utf8: false };
  const read = await parquetReadObjects({ ...shared, columns: wanted });
  const inexact = children.filter((node) => wanted.includes(node.element.name) && needsExactness(node));
  const rows = inexact.length === 0 ? read : read.map((row) => exactRow(row, inexact));
  if (!holdsImages) return { file: path, columns, rows };
  return {
    file: path,
    columns,
    rows,
    async readImage(row) {
      const place = { rowStart: row, rowEnd: row + 1, useOffsetIndex: true };
      const [found] = await parquetReadObjects({ ...shared, ...place, columns: [image] });
      return pictureOf(found?.[image]);
    },
  };
}

function exactRow(row: Readonly<Record<string, unknown>>, nodes: readonly SchemaTree[]) {
  const exact = nodes.map((node) => [node.element.name, exactValue(row[node.element.name], node)]);
  return { ...row, ...Object.fromEntries(exact) };
}

/** @throws {RangeError} where there are several */
function pictureOf(value: unknown): Uint8Array | string | undefined {
  if (Array.isArray(value)) {
    if (value.length > 1)
      throw new RangeError(`has ${value.length} pictures, and a question is asked about one`);
    return pictureOf(value[0]);
  }
  if (value instanceof Uint8Array) return value;
  const { bytes, path } = (value ?? {}) as { readonly bytes?: unknown; readonly path?: unknown };
  if (bytes instanceof Uint8Array && bytes.length > 0) return bytes;
  return typeof path === "string" && path !== "" ? path : undefined;
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
