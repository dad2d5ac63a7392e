import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { BenchError } from "../bench-error.ts";
import type { BenchRecord } from "./bench-record.ts";

export interface Journal {
  readonly records: readonly BenchRecord[];
  /** Adds a line; it is with the system when this returns, so that a killed process loses nothing of it. */
  append(record: BenchRecord): void;
  /** Adds a line for each. */
  appendAll(records: Iterable<BenchRecord>): void;
  close(): void;
}

/**
 * Opens a file of records, one a line, that only grows. A last line without its end, which a killed process may leave, is dropped; of
 * measurements of one key the first counts, of what a question or a variant is the last.
 * @param shard is written into each new record
 * @throws {BenchError} where another line is not a record
 */
export function openJournal(path: string, { shard }: { readonly shard?: string } = {}): Journal {
  const file = openSync(path, "a+");
  try {
    const bytes = readFileSync(path);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    if (whole < bytes.length) ftruncateSync(file, whole);
    const records = recordsIn(bytes.subarray(0, whole), path);
    const appendAll = (some: Iterable<BenchRecord>) => {
      const lines: string[] = [];
      for (const record of some) {
        const marked = shard === undefined ? record : { ...record, shard };
        if (keep(records, marked)) lines.push(`${JSON.stringify(marked)}\n`);
      }
      const text = Buffer.from(lines.join(""));
      for (let sent = 0; sent < text.length; ) sent += writeSync(file, text, sent);
    };
    return {
      get records() {
        return [...records.values()];
      },
      append: (record) => appendAll([record]),
      appendAll,
      close: () => closeSync(file),
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/**
 * Reads the records of a journal that another process may be writing.
 * @throws {BenchError} where there is none, or a line is not a record
 */
export function readJournal(path: string): readonly BenchRecord[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new BenchError(
      `${path}: ${code === "ENOENT" ? "no such file" : message}`,
      "name the folder of a run: vlmopt run writes its records there",
    );
  }
  return [...recordsIn(bytes.subarray(0, bytes.lastIndexOf(0x0a) + 1), path).values()];
}

function recordsIn(bytes: Buffer, path: string): Map<string, BenchRecord> {
  const records = new Map<string, BenchRecord>();
  for (const [i, line] of bytes.toString("utf8").split("\n").entries()) {
    if (line !== "") keep(records, parse(line, `${path}:${i + 1}`));
  }
  return records;
}

/** @returns false where it says nothing new */
function keep(records: Map<string, BenchRecord>, record: BenchRecord): boolean {
  const key = keyOf(record);
  const before = records.get(key);
  if (before !== undefined) {
    const lastCounts = record.kind === "question" || record.kind === "variant";
    if (!lastCounts || JSON.stringify(before) === JSON.stringify(record)) return false;
  }
  records.set(key, record);
  return true;
}

function keyOf(record: BenchRecord): string {
  const { kind, hash, shard = "" } = record;
  const start = `${shard} ${hash} ${kind}`;
  if (kind === "question") return `${start} ${record.at}`;
  if (kind === "variant") return `${shard} ${record.data} variant ${record.name}`;
  if (kind === "speed") return `${start} ${record.repetition}`;
  if (kind === "answer" || kind === "unanswered") return `${start} ${record.item}`;
  if (kind === "end") return start;
  return `${start} ${record.attempt}`;
}

function parse(line: string, place: string): BenchRecord {
  try {
    const record = JSON.parse(line) as BenchRecord;
    if (typeof record.kind === "string" && typeof record.hash === "string") return record;
  } catch {
    // Said below.
  }
  throw new BenchError(
    `${place}: is no record of a run`,
    "it was changed by hand, or is another file: choose another folder",
  );
}
