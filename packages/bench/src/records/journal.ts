import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import type { PictureView } from "@vlmopt/engine";
import { BenchError } from "../bench-error.ts";
import type { DeviceFigures, EnergyFigures, MemoryFigures, ModelSize } from "./run-summary.ts";

/** What was measured, as it was measured. `hash` is the variant's configuration, so that what it no longer describes is not counted. */
export type BenchRecord =
  | LoadRecord
  | SpeedRecord
  | AnswerRecord
  | UnansweredRecord
  | FailureRecord
  | EndRecord;

export interface LoadRecord {
  readonly kind: "load";
  readonly hash: string;
  /** Process of the run, counted from 0: a resumed variant is loaded again. */
  readonly attempt: number;
  readonly milliseconds: number;
  readonly size: ModelSize | null;
}

/** One request of a fixed number of new tokens. Milliseconds. */
export interface SpeedRecord {
  readonly kind: "speed";
  readonly hash: string;
  readonly repetition: number;
  readonly ttft: number;
  /** Of each token after the first, or of each piece of text where a server sends several tokens at once. */
  readonly tokens: readonly number[];
  readonly latency: number;
  readonly promptTokens: number | null;
  readonly newTokens: number;
}

/** One answer that ended by itself, or at the most tokens allowed. */
export interface AnswerRecord {
  readonly kind: "answer";
  readonly hash: string;
  /** The question's id. */
  readonly item: string;
  /** The prompt, with `<image>` in place of each picture. */
  readonly prompt?: string;
  readonly prediction: string;
  readonly promptTokens: number | null;
  readonly newTokens: number | null;
  readonly cacheBytes?: number | null;
  /** Which of the pictures' tokens stayed, where some went. */
  readonly pictures?: readonly PictureView[];
  readonly finish: "end" | "stop" | "length";
  /** Of the whole answer. */
  readonly latency: number;
}

/** A question that the target could not answer, while it went on with others. An answer that came later counts instead. */
export interface UnansweredRecord {
  readonly kind: "unanswered";
  readonly hash: string;
  readonly item: string;
  readonly error: string;
}

export interface FailureRecord {
  readonly kind: "failed";
  readonly hash: string;
  readonly attempt: number;
  readonly error: string;
}

/** Nothing is left to measure. */
export interface EndRecord {
  readonly kind: "end";
  readonly hash: string;
  readonly memory: MemoryFigures;
  readonly energy: EnergyFigures | null;
  readonly device: DeviceFigures | null;
}

export interface Journal {
  readonly records: readonly BenchRecord[];
  /** Adds a line; it is with the system when this returns, so that a killed process loses nothing of it. */
  append(record: BenchRecord): void;
  close(): void;
}

/**
 * Opens a file of records, one a line, that only grows. A last line without its end, which a killed process may leave, is dropped; of
 * records of one key the first counts.
 * @throws {BenchError} where another line is not a record
 */
export function openJournal(path: string): Journal {
  const file = openSync(path, "a+");
  try {
    const bytes = readFileSync(path);
    const whole = bytes.lastIndexOf(0x0a) + 1;
    if (whole < bytes.length) ftruncateSync(file, whole);
    const records = new Map<string, BenchRecord>();
    const lines = bytes.subarray(0, whole).toString("utf8").split("\n");
    for (const [i, line] of lines.entries()) {
      if (line !== "") keep(records, parse(line, `${path}:${i + 1}`));
    }
    return {
      get records() {
        return [...records.values()];
      },
      append(record) {
        if (!keep(records, record)) return;
        const line = Buffer.from(`${JSON.stringify(record)}\n`);
        for (let sent = 0; sent < line.length; ) sent += writeSync(file, line, sent);
      },
      close: () => closeSync(file),
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function keep(records: Map<string, BenchRecord>, record: BenchRecord): boolean {
  const key = keyOf(record);
  if (records.has(key)) return false;
  records.set(key, record);
  return true;
}

function keyOf(record: BenchRecord): string {
  const { kind, hash } = record;
  if (kind === "speed") return `${hash} speed ${record.repetition}`;
  if (kind === "answer") return `${hash} answer ${record.item}`;
  if (kind === "unanswered") return `${hash} unanswered ${record.item}`;
  if (kind === "end") return `${hash} end`;
  return `${hash} ${kind} ${record.attempt}`;
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
