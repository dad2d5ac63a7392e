import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { DatasetError, type VqaRecord, type VqaSet } from "@vlmopt/datasets";
import { BenchError } from "../bench-error.ts";
import type { DataSpec } from "../recipe/data-spec.ts";
import type { DatasetSummary, LeftOutRow } from "../records/run-summary.ts";
import { textHash } from "./content-hash.ts";
import { openSet } from "./open-set.ts";

/** A question of a run, with its picture in the run's folder. */
export interface DataItem {
  readonly id: string;
  readonly question: string;
  /** Path from the run's folder, with `/`. */
  readonly image: string;
  readonly references: readonly string[];
  readonly topic: string | null;
  /** File, row and picture, for messages. */
  readonly place: string;
}

export interface RunData {
  readonly summary: DatasetSummary;
  readonly items: readonly DataItem[];
}

export interface OpenDataOptions {
  /** Share of the rows that may be left out. */
  readonly maxFailed: number;
  /** Told of rows that are. */
  readonly onNotice?: ((notice: string) => void) | undefined;
}

/** Rows left out that are told one by one; the others are counted. */
const TOLD = 5;

/**
 * Reads the questions, and puts their pictures into the run's folder, where reports find them. Rows that cannot be asked or scored, without a
 * question, a picture or a reference, are left out and told.
 * @throws {BenchError} where these are more than may be, or nothing is left
 */
export async function openData(spec: DataSpec, folder: string, options: OpenDataOptions): Promise<RunData> {
  const { maxFailed, onNotice } = options;
  const leftOut: LeftOutRow[] = [];
  const set = await openSet(spec, (row) => leftOut.push(row));
  assertFew(set.name, leftOut, set.rows, maxFailed);
  const unread = leftOut.length;
  const asked = set.records.filter((record) => {
    const problem = problemOf(record, set);
    if (problem !== undefined) leftOut.push({ place: placeOf(record, set), problem });
    return problem === undefined;
  });
  await set.fetchImages({ records: asked });
  await mkdir(join(folder, "images"), { recursive: true });
  const items: DataItem[] = [];
  for (const record of asked) {
    const { id, question, answers, topic } = record;
    const place = placeOf(record, set);
    const image = await keepImage(set, record, folder).catch((error: unknown) => {
      if (!(error instanceof DatasetError)) throw error;
      leftOut.push({ place, problem: error.message });
      return undefined;
    });
    if (image !== undefined)
      items.push({ id, question, image, references: answers, topic: topic ?? null, place });
  }
  for (const { place, problem } of leftOut.slice(0, TOLD)) onNotice?.(`left out: ${place}: ${problem}`);
  if (leftOut.length > TOLD) onNotice?.(`left out: ${leftOut.length - TOLD} rows more`);
  assertFew(set.name, leftOut.slice(unread), set.records.length, maxFailed);
  if (items.length === 0) {
    const [first] = leftOut;
    const reason = first === undefined ? "" : `: ${first.place}: ${first.problem}`;
    throw new BenchError(
      `${set.name}: nothing is left to ask and to score of ${set.rows} rows${reason}`,
      "name a split, or columns, with questions, pictures and reference answers",
    );
  }
  const name = "hub" in spec ? spec.hub : "vqaonline" in spec ? "VQAonline" : basename(set.name);
  return {
    summary: { name, split: set.split ?? null, count: items.length, leftOut, signature: set.signature },
    items,
  };
}

function placeOf(record: VqaRecord, set: VqaSet): string {
  return `${set.placeOf(record)} (question ${record.id}, picture ${record.image.slice(0, 200)})`;
}

/** Why a record cannot be asked or scored. */
function problemOf(record: VqaRecord, set: VqaSet): string | undefined {
  if (record.question.trim() === "") return "the question is empty";
  if (record.answers.length === 0) return "there is no reference answer";
  return set.imageProblem(record);
}

function assertFew(name: string, leftOut: readonly LeftOutRow[], rows: number, maxFailed: number): void {
  const [first] = leftOut;
  // Where nothing at all is left, that is said.
  if (first === undefined || leftOut.length === rows || leftOut.length <= maxFailed * rows) return;
  throw new BenchError(
    `${name}: ${leftOut.length} of ${rows} rows cannot be asked and scored, more than the share of ${maxFailed} that maxFailed allows; the first: ${first.place}: ${first.problem}`,
    "mend them, or allow more by maxFailed",
  );
}

/** Pictures of one name in several folders stay apart. */
async function keepImage(set: VqaSet, record: VqaRecord, folder: string): Promise<string> {
  const extension = extname(record.image);
  const stem = basename(record.image, extension).replaceAll(/[^\w.-]/g, "_");
  const name = `images/${stem}-${textHash(record.image).slice(0, 6)}${extension.replaceAll(/[^\w.]/g, "")}`;
  const path = join(folder, name);
  const bytes = await set.readImage(record);
  const before = await readFile(path).catch(() => undefined);
  if (before?.equals(bytes)) return name;
  await writeFile(`${path}.tmp`, bytes);
  await rename(`${path}.tmp`, path);
  return name;
}
