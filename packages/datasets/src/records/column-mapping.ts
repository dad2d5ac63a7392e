import { z } from "zod";
import { DatasetError } from "../dataset-error.ts";
import type { Table } from "./table.ts";
import type { VqaRecord } from "./vqa-record.ts";

/**
 * Which column holds what. A dot reaches inside: `answers.answer` takes `answer` of an object, or of each object in a list. Columns
 * of lists give several answers.
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

/** Names of the table's own columns that a mapping reads. */
export function columnsRead(mapping: ColumnMapping, available: readonly string[]): string[] {
  const columns = Object.values(mapping).filter((column) => column !== undefined);
  return [...new Set(columns.map((column) => ownColumn(column, available)))];
}

/** The records of a table's rows. `prefix` goes before the row numbers that serve as ids. */
export function toRecords(table: Table, mapping: ColumnMapping, prefix: string): VqaRecord[] {
  for (const column of Object.values(mapping)) {
    if (column !== undefined) requireColumn(table, column);
  }
  return table.rows.map((row, index) => {
    const place = { table, row: index };
    const id = optionalText(row, mapping.id, place) ?? `${prefix}${index}`;
    const image =
      table.readImage !== undefined ? `${id}#${mapping.image}` : requiredText(row, mapping.image, place);
    const optional = {
      context: optionalText(row, mapping.context, place),
      topic: optionalText(row, mapping.topic, place),
      url: optionalText(row, mapping.url, place),
    };
    return {
      id,
      image,
      question: requiredText(row, mapping.question, place),
      answers: texts(row, mapping.answer, place),
      ...Object.fromEntries(Object.entries(optional).filter(([, text]) => text !== undefined)),
    };
  });
}

type Row = Readonly<Record<string, unknown>>;

interface Place {
  readonly table: Table;
  readonly row: number;
}

/** The table's own column that a mapping's column is, or lies in. */
function ownColumn(column: string, available: readonly string[]): string {
  return available.includes(column) ? column : (column.split(".")[0] as string);
}

function requireColumn({ file, columns }: Table, column: string): void {
  if (columns.includes(ownColumn(column, columns))) return;
  throw new DatasetError("missing-column", `${file}: there is no column ${JSON.stringify(column)}`, {
    hint: `say which of its columns hold what (columns: {question: …, image: …, answer: …}): ${columns.join(", ")}`,
  });
}

function cell(row: Row, column: string): unknown {
  if (column in row) return row[column];
  let value: unknown = row;
  for (const part of column.split(".")) {
    value = Array.isArray(value)
      ? value.map((item) => item?.[part])
      : (value as Row | null | undefined)?.[part];
  }
  return value;
}

function requiredText(row: Row, column: string, place: Place): string {
  const text = optionalText(row, column, place);
  if (text !== undefined) return text;
  throw invalid(place, column, "is empty");
}

function optionalText(row: Row, column: string | undefined, place: Place): string | undefined {
  if (column === undefined) return undefined;
  const value = cell(row, column);
  return value === null || value === undefined ? undefined : text(value, column, place);
}

function texts(row: Row, column: string, place: Place): string[] {
  const value = cell(row, column);
  if (value === null || value === undefined) return [];
  return Array.isArray(value) ? value.map((item) => text(item, column, place)) : [text(value, column, place)];
}

function text(value: unknown, column: string, place: Place): string {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    return String(value);
  // Parquet written without saying that a column is text.
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  const kind = Array.isArray(value) ? "a list" : value === null ? "empty" : "an object";
  throw invalid(place, column, `is ${kind}, not text`);
}

function invalid({ table, row }: Place, column: string, problem: string): DatasetError {
  return new DatasetError(
    "invalid-row",
    `${table.file}: row ${row}: column ${JSON.stringify(column)} ${problem}`,
  );
}
