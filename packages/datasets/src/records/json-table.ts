import { constants } from "node:buffer";
import { stat } from "node:fs/promises";
import { DatasetError } from "../dataset-error.ts";
import { parseJson } from "./json-text.ts";
import { rowsTable } from "./rows-table.ts";
import type { Table, TableSelection } from "./table.ts";
import { textLines, wholeText } from "./text-encoding.ts";

type Row = Readonly<Record<string, unknown>>;

/** Reads a list of objects; an object one of whose members is that list; or, as the hub's `.json` often are, JSON lines. */
export async function readJson(path: string, selection: TableSelection): Promise<Table> {
  const { size } = await stat(path);
  if (size > constants.MAX_STRING_LENGTH) return readJsonLines(path, selection);
  const text = await wholeText(path, selection.encoding);
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    const firstLine = text.slice(0, text.indexOf("\n") + 1);
    if (isRow(tryParse(firstLine))) return readJsonLines(path, selection);
    throw error;
  }
  const rows = Array.isArray(value) ? value : rowsWithin(value, path, selection.images);
  const wrong = rows.findIndex((row) => !isRow(row));
  if (wrong < 0) return rowsTable(path, rows as Row[]);
  throw new DatasetError("invalid-row", `${path}: row ${wrong} is not an object`);
}

/** Reads an object a line. */
export async function readJsonLines(path: string, { encoding }: TableSelection): Promise<Table> {
  const rows: Row[] = [];
  let number = 0;
  for await (const line of textLines(path, encoding)) {
    number++;
    const text = line.trim();
    if (text === "") continue;
    const row = tryParse(text);
    if (!isRow(row)) throw new DatasetError("invalid-row", `${path}: line ${number} is not a JSON object`);
    rows.push(row);
  }
  return rowsTable(path, rows);
}

/**
 * The one list of objects in an object; the objects that it holds by their keys, which become the column `key`; the object itself where it is a row, as of
 * JSON lines of which there is one.
 */
function rowsWithin(value: unknown, path: string, images: readonly string[]): unknown[] {
  if (isRow(value) && images.some((image) => Object.hasOwn(value, image))) return [value];
  const members = isRow(value) ? Object.entries(value) : [];
  const lists = members.filter(([, member]) => Array.isArray(member) && isRow(member[0]));
  if (lists.length === 1) return lists[0]?.[1] as unknown[];
  if (members.length > 0 && members.every(([, member]) => isRow(member)))
    return members.map(([key, member]) => ({ key, ...(member as Row) }));
  const names = lists.map(([name]) => name).join(", ");
  throw new DatasetError(
    "unreadable-file",
    `${path}: holds ${lists.length === 0 ? "no list of rows" : `several lists: ${names}`}`,
    { hint: "it should be a list of objects, one a question" },
  );
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tryParse(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
