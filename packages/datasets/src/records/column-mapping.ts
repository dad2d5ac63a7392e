import { z } from "zod";
import { DatasetError } from "../dataset-error.ts";
import { cellText, type Place, placeText, structured, textsOf } from "./cell.ts";
import type { Row, RowReader, RowRecord, Unusable } from "./row-reader.ts";
import type { Table } from "./table.ts";

/**
 * Which column holds what. A dot reaches inside: `answers.answer` takes `answer` of an object, or of each object in a list. Columns
 * of lists give several answers, of texts that are lists in Python's or JSON's writing too.
 */
export const columnMappingSchema = z.strictObject({
  question: z.string().default("question"),
  image: z.string().default("image"),
  answer: z.string().default("answer"),
  /** Default: the row's number. */
  id: z.string().optional(),
  context: z.string().optional(),
  topic: z.string().optional(),
  url: z.string().optional(),
});

export type ColumnMapping = z.output<typeof columnMappingSchema>;
/** A {@link ColumnMapping} of which only what differs from `question`, `image` and `answer` need be given. */
export type ColumnMappingInput = z.input<typeof columnMappingSchema>;

/** Reads rows by a mapping; `context`, `topic` and `url` come along where the table has columns of these names. */
export function mappingReader(given: ColumnMapping): RowReader {
  let last: { readonly available: readonly string[]; readonly mapping: ColumnMapping } | undefined;
  const withOptional = (available: readonly string[]): ColumnMapping => {
    if (last?.available !== available) last = { available, mapping: completed(available) };
    return last.mapping;
  };
  const completed = (available: readonly string[]): ColumnMapping => {
    const found = ["context", "topic", "url"].filter((column) => available.includes(column));
    return { ...Object.fromEntries(found.map((column) => [column, column])), ...given };
  };
  return {
    images: [given.image],
    paths: Object.values(given).filter((column) => column !== undefined),
    columnsRead: (available) => columnsRead(withOptional(available), available),
    check(table) {
      for (const column of Object.values(withOptional(table.columns))) {
        if (column === undefined) continue;
        requireColumn(table, column);
      }
    },
    unreached: (table) =>
      Object.values(withOptional(table.columns)).flatMap((column) =>
        column === undefined || reachesSome(table, column) ? [] : [column],
      ),
    records: (row, place, prefix) => [recordOf(row, place, withOptional(place.table.columns), prefix)],
  };
}

/** Names of the table's own columns that a mapping reads. */
function columnsRead(mapping: ColumnMapping, available: readonly string[]): string[] {
  const columns = Object.values(mapping).filter((column) => column !== undefined);
  return [...new Set(columns.map((column) => ownColumn(column, available)))];
}

function recordOf(row: Row, place: Place, mapping: ColumnMapping, prefix: string): RowRecord | Unusable {
  const id = optionalText(row, mapping.id, place) ?? `${prefix}${place.row}`;
  const pictures = (place.table.pictureColumns ?? []).filter((column) => column === mapping.image);
  const images = pictures.length === 0 ? imageNames(row, mapping.image, place) : [`${id}#${mapping.image}`];
  const [image] = images;
  if (image === undefined) return empty(mapping.image);
  const asked = optionalText(row, mapping.question, place);
  // CSV does not tell a question without words from one that is missing.
  const question = asked ?? (place.table.cellsAreText ? "" : undefined);
  if (question === undefined) return empty(mapping.question);
  const context = optionalText(row, mapping.context, place);
  const topic = optionalText(row, mapping.topic, place);
  const url = optionalText(row, mapping.url, place);
  const record = {
    id,
    image,
    question,
    answers: textsOf(cellAt(row, mapping.answer, place), mapping.answer, place),
    ...(images.length > 1 ? { images } : undefined),
    ...(context === undefined ? undefined : { context }),
    ...(topic === undefined ? undefined : { topic }),
    ...(url === undefined ? undefined : { url }),
  };
  return { record, row: place.row, pictures };
}

/** Names of pictures, or what they are themselves in base64. */
export function imageNames(row: Row, column: string, place: Place): string[] {
  const value = cellAt(row, column, place);
  const pictures = (Array.isArray(value) ? value : [listOfPictures(value) ?? value]).flat();
  return pictures.flatMap((picture) => {
    const held = isRow(picture) && ("bytes" in picture || "path" in picture) ? heldBy(picture) : picture;
    return cellText(held, column, place) ?? [];
  });
}

/** Of `{bytes, path}`, as the hub keeps pictures: in text, bytes are base64. */
function heldBy({ bytes, path }: Row): unknown {
  if (typeof bytes !== "string") return bytes ?? path;
  return bytes.startsWith("data:") ? bytes : `data:image/unknown;base64,${bytes}`;
}

/** `['a.png']`, as CSV has lists. */
function listOfPictures(value: unknown): readonly unknown[] | undefined {
  if (typeof value !== "string" || !/^\s*[[({]\s*['"]/.test(value)) return undefined;
  const read = structured(value);
  return Array.isArray(read) ? read : isRow(read) ? [read] : undefined;
}

export function empty(column: string): Unusable {
  return { problem: `column ${JSON.stringify(column)} is empty`, hint: "fill it in, or take the row out" };
}

export function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The table's own column that a mapping's column is, or lies in. */
export function ownColumn(column: string, available: readonly string[]): string {
  return available.includes(column) ? column : (column.split(".")[0] as string);
}

export function requireColumn({ file, columns }: Table, column: string): void {
  if (columns.includes(ownColumn(column, columns))) return;
  throw new DatasetError("missing-column", `${file}: there is no column ${JSON.stringify(column)}`, {
    hint: `say which of its columns hold what (columns: {question: …, image: …, answer: …}): ${columns.join(", ")}`,
  });
}

function reachesSome(table: Table, column: string): boolean {
  const { columns, rows } = table;
  const own = ownColumn(column, columns);
  if (own === column || !rows.some((row) => Object.hasOwn(row, own))) return true;
  const reached = (value: unknown): boolean =>
    Array.isArray(value) ? value.length === 0 || value.some(reached) : value !== undefined;
  return rows.some((row, index) => reached(cellAt(row, column, { table, row: table.firstRow + index })));
}

/** A path that reaches nothing in any row is a wrong one. */
export function noSuchMember({ file, columns }: Table, column: string): DatasetError {
  return new DatasetError("missing-column", `${file}: no row has ${JSON.stringify(column)}`, {
    hint: `look at what ${JSON.stringify(ownColumn(column, columns))} holds`,
  });
}

/** What a column holds; a dot reaches inside. */
export function cellAt(row: Row, column: string, place: Place): unknown {
  if (Object.hasOwn(row, column)) return row[column];
  let value: unknown = row;
  for (const part of column.split(".")) {
    const opened = typeof value === "string" ? opening(value, column, place) : value;
    value = Array.isArray(opened) ? membersOf(opened, part) : member(opened, part);
  }
  return value;
}

/** Lists within become one list. A loop: large sets have millions of these. */
function membersOf(items: readonly unknown[], part: string): unknown[] {
  const found: unknown[] = [];
  for (const item of items) {
    const value = member(item, part);
    if (Array.isArray(value)) found.push(...value);
    else found.push(value);
  }
  return found;
}

function member(value: unknown, part: string): unknown {
  return isRow(value) && Object.hasOwn(value, part) ? value[part] : undefined;
}

/** What a text holds in Python's or JSON's writing, where a path reaches into it. */
function opening(text: string, column: string, place: Place): unknown {
  const read = structured(text);
  if (read !== undefined) return read;
  throw new DatasetError(
    "invalid-row",
    `${placeText(place)}: column ${JSON.stringify(column)} cannot be read: ${JSON.stringify(text.slice(0, 60))} is neither an object nor a list`,
  );
}

export function optionalText(row: Row, column: string | undefined, place: Place): string | undefined {
  return column === undefined ? undefined : cellText(cellAt(row, column, place), column, place);
}
