import { gunzipSync } from "node:zlib";
import { parse } from "csv-parse/sync";
import { DatasetError } from "../dataset-error.ts";
import { delimiterOf } from "../records/csv-table.ts";
import { parseJson } from "../records/json-text.ts";
import { utf8Text } from "../records/text-encoding.ts";
import { xlsxRows } from "./xlsx-rows.ts";

type Row = Readonly<Record<string, unknown>>;

/** Rows of a file of answers or references, and where each stands: its line, or in files without lines its number from 1. */
export interface AnswerRows {
  readonly rows: readonly { readonly row: Row; readonly line: number }[];
  /** Cells are text: what a list was before it was written is one. */
  readonly cellsAreText: boolean;
}

/**
 * Reads what harnesses and people write answers in, told by the contents and, for tables of text, the name: JSON lines (lmms-eval's samples, OpenAI's
 * batches, LLaVA's answers), a JSON list (VQA's results), an object that holds one list (VQA's annotations) or answers by their ids, CSV, TSV, Excel tables
 * (VLMEvalKit's), plain text of an answer a line; all of them also packed by gzip.
 * @param name for messages, and for the endings `.csv`, `.tsv` and `.txt`
 * @throws {DatasetError} for what cannot be read, with its line
 */
export function answerRows(bytes: Uint8Array, name: string): AnswerRows {
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    return answerRows(unpacked(bytes, name), name.replace(/\.gz$/i, ""));
  if (bytes[0] === 0x50 && bytes[1] === 0x4b)
    return { rows: numbered(xlsxRows(bytes, name), 2), cellsAreText: true };
  const text = utf8Text(bytes)?.replace(/^\ufeff/, "");
  if (text === undefined)
    throw new DatasetError("unreadable-file", `${name}:${invalidLine(bytes)}: is not valid UTF-8`);
  const first = text.trimStart()[0];
  if (first === "[" || first === "{") {
    const rows = first === "[" ? listed(text, name) : (jsonLines(text, name) ?? listed(text, name));
    return { rows, cellsAreText: false };
  }
  if (/\.txt$/i.test(name)) {
    const lines = text.split(/\r?\n/);
    if (lines.at(-1) === "") lines.pop();
    return {
      rows: numbered(
        lines.map((line) => ({ text: line })),
        1,
      ),
      cellsAreText: false,
    };
  }
  return { rows: tableRows(text, name), cellsAreText: true };
}

function unpacked(bytes: Uint8Array, name: string): Uint8Array {
  try {
    return gunzipSync(bytes);
  } catch (error) {
    throw new DatasetError("unreadable-file", `${name}: cannot be unpacked: ${(error as Error).message}`);
  }
}

function numbered(rows: readonly Row[], from: number) {
  return rows.map((row, i) => ({ row, line: i + from }));
}

/** An object a line; undefined where the first line is no whole object. */
function jsonLines(text: string, name: string): AnswerRows["rows"] | undefined {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.trim() !== "");
  if (!isRow(tried(lines[first] ?? "").value)) return undefined;
  // An object on one line is what it holds, unless it is an answer itself.
  if (lines.slice(first + 1).every((line) => line.trim() === "")) {
    const whole = listIn(tried(text).value);
    if (whole !== undefined) return whole;
  }
  return lines.flatMap((line, i) => {
    if (line.trim() === "") return [];
    const { value, problem } = tried(line);
    if (isRow(value)) return [{ row: value, line: i + 1 }];
    const what =
      problem ?? `is not a JSON object but ${Array.isArray(value) ? "a list" : `a ${typeof value}`}`;
    throw new DatasetError("invalid-row", `${name}:${i + 1}: ${what}`);
  });
}

function tried(text: string): { readonly value?: unknown; readonly problem?: string } {
  try {
    return { value: parseJson(text) };
  } catch (error) {
    return { problem: `is not JSON: ${(error as Error).message}` };
  }
}

function listed(text: string, name: string): AnswerRows["rows"] {
  const { value, problem } = tried(text);
  if (problem !== undefined) throw new DatasetError("unreadable-file", `${name}: ${problem}`);
  if (!Array.isArray(value)) {
    const rows = listIn(value);
    if (rows !== undefined) return rows;
    throw new DatasetError(
      "unreadable-file",
      `${name}: holds no list of answers, and no answers by their ids`,
    );
  }
  return value.map((row, i) => {
    if (isRow(row)) return { row, line: i + 1 };
    if (typeof row === "string") return { row: { text: row }, line: i + 1 };
    throw new DatasetError("invalid-row", `${name}: row ${i + 1} is not an object`);
  });
}

/** The one list of objects that an object holds, or its texts and numbers by their keys, which are ids. */
function listIn(value: unknown): AnswerRows["rows"] | undefined {
  if (!isRow(value)) return undefined;
  const lists = Object.values(value).filter((member) => Array.isArray(member) && isRow(member[0]));
  if (
    lists.length === 1 &&
    !("custom_id" in value) &&
    !("id" in value) &&
    !("question_id" in value) &&
    !("doc_id" in value)
  )
    return numbered(lists[0] as Row[], 1);
  const members = Object.entries(value);
  const isMap =
    members.length > 1 &&
    members.every(
      ([, member]) => typeof member === "string" || typeof member === "number" || Array.isArray(member),
    ) &&
    !members.some(([key]) => NAMES.has(key));
  return isMap
    ? numbered(
        members.map(([id, text]) => ({ id, text })),
        1,
      )
    : undefined;
}

/** Keys of an answer: an object that has one is an answer, not answers by their ids. */
const NAMES = new Set([
  "id",
  "question_id",
  "index",
  "doc_id",
  "text",
  "answer",
  "prediction",
  "references",
  "reference",
  "answers",
]);

function tableRows(text: string, name: string): AnswerRows["rows"] {
  try {
    const found: { record: Record<string, string>; info: { lines: number } }[] = parse(text, {
      columns: true,
      info: true,
      delimiter: delimiterOf(text, /\.tsv$/i.test(name) ? "\t" : ","),
      record_delimiter: ["\r\n", "\n", "\r"],
      skip_empty_lines: true,
      relax_quotes: true,
    });
    return found.map(({ record, info }) => ({ row: record, line: info.lines }));
  } catch (error) {
    throw new DatasetError(
      "unreadable-file",
      `${name}: cannot be read as a table: ${(error as Error).message}`,
    );
  }
}

function isRow(value: unknown): value is Row {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The first line that is no UTF-8. */
function invalidLine(bytes: Uint8Array): number {
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline === -1 ? bytes.length : newline;
    if (utf8Text(bytes.subarray(start, end)) === undefined) break;
    start = end + 1;
  }
  return line;
}
