import { constants } from "node:buffer";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { DatasetError } from "../dataset-error.ts";
import { rowsTable } from "./rows-table.ts";
import type { Table } from "./table.ts";

type Row = Readonly<Record<string, unknown>>;

/** Reads a list of objects; an object one of whose members is that list; or, as the hub's `.json` often are, JSON lines. */
export async function readJson(path: string): Promise<Table> {
  const { size } = await stat(path);
  if (size > constants.MAX_STRING_LENGTH) return readJsonLines(path);
  const text = (await readFile(path, "utf8")).replace(/^\uFEFF/, "");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    const firstLine = text.slice(0, text.indexOf("\n") + 1);
    if (isRow(tryParse(firstLine))) return readJsonLines(path);
    throw error;
  }
  const rows = Array.isArray(value) ? value : listWithin(value, path);
  const wrong = rows.findIndex((row) => !isRow(row));
  if (wrong < 0) return rowsTable(path, rows as Row[]);
  throw new DatasetError("invalid-row", `${path}: row ${wrong} is not an object`);
}

/** Reads an object a line. */
export async function readJsonLines(path: string): Promise<Table> {
  const rows: Row[] = [];
  let number = 0;
  for await (const line of createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    number++;
    const text = line.replace(/^\uFEFF/, "").trim();
    if (text === "") continue;
    const row = tryParse(text);
    if (!isRow(row)) throw new DatasetError("invalid-row", `${path}: line ${number} is not a JSON object`);
    rows.push(row);
  }
  return rowsTable(path, rows);
}

function listWithin(value: unknown, path: string): unknown[] {
  const members = isRow(value) ? Object.entries(value) : [];
  const lists = members.filter(([, member]) => Array.isArray(member) && isRow(member[0]));
  if (lists.length === 1) return lists[0]?.[1] as unknown[];
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
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
