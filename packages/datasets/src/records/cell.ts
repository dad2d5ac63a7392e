import { DatasetError } from "../dataset-error.ts";
import { parseJson } from "./json-text.ts";
import { parseLiteral } from "./python-literal.ts";
import type { Table } from "./table.ts";
import { utf8Text } from "./text-encoding.ts";

/** Where a cell stands, for messages. */
export interface Place {
  readonly table: Table;
  readonly row: number;
}

export function placeText({ table, row }: Place): string {
  return `${table.file}: row ${row}`;
}

/**
 * A cell's text; undefined where there is nothing: null, or the NaN of a column of numbers.
 * @throws {DatasetError} where it holds something else than text or a number
 */
export function cellText(value: unknown, column: string, place: Place): string | undefined {
  if (value === null || value === undefined || Number.isNaN(value)) return undefined;
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "bigint" || typeof value === "boolean")
    return String(value);
  if (value instanceof Uint8Array) {
    // Parquet written without saying that a column is text.
    const text = utf8Text(value);
    if (text !== undefined) return text;
    throw invalid(place, column, "is not valid UTF-8");
  }
  const kind = Array.isArray(value) ? "a list" : value instanceof Date ? "a date" : "an object";
  throw invalid(place, column, `is ${kind}, not text`);
}

/** What begins a list of texts in Python's, numpy's or JSON's writing. `[1, 2]` is text: it may well be an answer. */
const LIST =
  /^\s*(?:\[\s*(?:['"\]{[]|None\b|nan\b|null\b|(?:np\.|numpy\.)?(?:array|list|str_)\()|(?:np\.|numpy\.)?(?:array|list)\(\s*\[)/;
/** The same, which prose may begin with too: what cannot be read is text. */
const PERHAPS_LIST = /^\s*[({]\s*['"]/;

/** The texts of a cell of one or several: elements that are null are none. */
export function textsOf(value: unknown, column: string, place: Place): string[] {
  const given = typeof value === "string" ? writtenList(value, column, place) : value;
  if (Array.isArray(given) && given.every((item) => typeof item === "string")) return given;
  const all: readonly unknown[] = Array.isArray(given) ? given.flat() : [given];
  return all.flatMap((item) => cellText(item, column, place) ?? []);
}

/** The texts of a list in Python's, numpy's or JSON's writing; undefined where a text is none. */
export function listOfTexts(text: string): readonly string[] | undefined {
  const read = LIST.test(text) ? structured(text) : undefined;
  return Array.isArray(read)
    ? read.flat().flatMap((item) => (item === null ? [] : [String(item)]))
    : undefined;
}

function writtenList(text: string, column: string, place: Place): unknown {
  const isList = LIST.test(text);
  if (!isList && !PERHAPS_LIST.test(text)) return text;
  const read = structured(text);
  if (Array.isArray(read)) return read;
  if (!isList || !place.table.cellsAreText) return text;
  throw invalid(
    place,
    column,
    `begins as a list and cannot be read as one: ${JSON.stringify(text.slice(0, 60))}`,
  );
}

/** A list or an object that a text holds, as JSON or as Python and numpy print it; undefined where it holds neither. */
export function structured(text: string): readonly unknown[] | Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch {
    value = parseLiteral(text)?.value;
  }
  return typeof value === "object" && value !== null
    ? (value as readonly unknown[] | Readonly<Record<string, unknown>>)
    : undefined;
}

function invalid(place: Place, column: string, problem: string): DatasetError {
  return new DatasetError("invalid-row", `${placeText(place)}: column ${JSON.stringify(column)} ${problem}`);
}
