import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { DatasetError, openTask, pictureBox, type Task, type VqaRecord, type VqaSet } from "@vlmopt/datasets";
import { BenchError } from "../bench-error.ts";
import type { Recipe } from "../recipe/read-recipe.ts";
import type { TaskSpec } from "../recipe/task-spec.ts";
import type { LeftOutRow } from "../records/run-summary.ts";
import { isInShard, measuresSpeed, type Shard, WHOLE } from "../shards/shard.ts";
import { findTask } from "../tasks/find-task.ts";
import { readAnswer } from "../tasks/task-units.ts";
import { textHash } from "./content-hash.ts";
import type { DataItem } from "./data-item.ts";
import { openSet } from "./open-set.ts";
import { type DataPart, type Question, type RunData, runData } from "./run-data.ts";

/** A run's questions, and what makes them again. */
export interface OpenedData extends RunData {
  readonly parts: readonly DataPart[];
  readonly questions: readonly Question[];
  /** Those of which the speed is measured: the first of all, whatever the shard. */
  readonly timed: readonly DataItem[];
}

export interface OpenDataOptions {
  /** Share of the rows that may be left out. */
  readonly maxFailed: number;
  /** Told of rows that are. */
  readonly onNotice?: ((notice: string) => void) | undefined;
  /** Which of them. Default: all. */
  readonly shard?: Shard | undefined;
}

/** Rows left out that are told one by one; the others are counted. */
const TOLD = 5;

/** Questions of which the speed is measured, one after the other and again from the first. */
const TIMED = 100;

/**
 * Reads the questions of a recipe's data or tasks, and puts their pictures into the run's folder, where reports find them. Rows that cannot be asked or scored,
 * without a question, a picture or a reference, are left out and told.
 * @throws {BenchError} where these are more than may be, or nothing is left
 */
export async function openData(
  { data, tasks }: Pick<Recipe, "data" | "tasks">,
  folder: string,
  options: OpenDataOptions,
): Promise<OpenedData> {
  const opened: OpenedPart[] = [];
  if (data !== undefined) {
    const part = await openPart((leaveOut) => openSet(data, leaveOut), folder, options);
    const name = "hub" in data ? data.hub : "vqaonline" in data ? "VQAonline" : basename(part.part.name);
    opened.push({ ...part, part: { ...part.part, name } });
  }
  for (const spec of tasks) {
    const first = opened.reduce((sum, { part }) => sum + part.rows, 0);
    opened.push(await openTaskPart(spec, folder, { ...options, first }));
  }
  const parts = opened.map(({ part }) => part);
  const questions = opened.flatMap((one) => one.questions);
  const run = runData(parts, questions);
  const timed = opened.flatMap((one) => one.timed);
  return { ...run, parts, questions, timed: timed.length > 0 ? timed : run.items };
}

interface OpenedPart {
  readonly part: DataPart;
  readonly questions: readonly Question[];
  readonly timed: readonly DataItem[];
}

async function openTaskPart(
  spec: TaskSpec,
  folder: string,
  options: OpenDataOptions & { readonly first: number },
): Promise<OpenedPart> {
  const task = await findTask(spec.task);
  const { data, prompt = Object.keys(task.prompts)[0] ?? "", limit, revision } = spec;
  const sample = limit === undefined ? spec.sample : ({ method: "first", count: limit } as const);
  const open = (leaveOut: (row: LeftOutRow) => void) =>
    openTask(task, {
      leaveOut,
      prompt,
      ...(data === undefined ? {} : { data }),
      ...(sample === undefined ? {} : { sample }),
      ...(revision === undefined ? {} : { revision }),
    });
  const opened = await openPart(open, folder, options, task);
  return { ...opened, part: { ...opened.part, name: task.hub?.repository ?? task.name, task, prompt } };
}

/** Questions of one set; a task's have its name before their ids. */
async function openPart(
  open: (leaveOut: (row: LeftOutRow) => void) => Promise<VqaSet>,
  folder: string,
  { maxFailed, onNotice, shard = WHOLE, first = 0 }: OpenDataOptions & { readonly first?: number },
  task?: Task,
): Promise<OpenedPart> {
  const leftOut: LeftOutRow[] = [];
  const set = await open((row) => leftOut.push(row));
  assertFew(set.name, leftOut, set.rows, maxFailed);
  const unread = leftOut.length;
  const asked = set.records.filter((record) => {
    const problem = problemOf(record, set);
    if (problem !== undefined) leftOut.push({ place: placeOf(record, set), problem });
    return problem === undefined;
  });
  const ofRows = [...leftOut];
  const isOwn = ({ id }: VqaRecord) => isInShard(task === undefined ? id : `${task.name}/${id}`, shard);
  const isTimed = (at: number) => measuresSpeed(shard) && at < TIMED;
  const wanted = asked
    .map((record, i) => ({ record, at: first + i, isOwn: isOwn(record) }))
    .filter(({ at, isOwn }) => isOwn || isTimed(at));
  await set.fetchImages({ records: wanted.map(({ record }) => record) });
  await mkdir(join(folder, "images"), { recursive: true });
  const questions: Question[] = [];
  const timed: DataItem[] = [];
  for (const { record, at, isOwn } of wanted) {
    const place = placeOf(record, set);
    try {
      const kept = await keepImages(set, record, folder, task?.name);
      const item = itemOf(record, place, kept, task);
      if (isOwn) questions.push({ at, item });
      if (isTimed(at)) timed.push(item);
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      const row = { place, problem: error.message };
      leftOut.push(row);
      if (isOwn) questions.push({ at, leftOut: row, ...(task === undefined ? {} : { task: task.name }) });
    }
  }
  for (const { place, problem } of leftOut.slice(0, TOLD)) onNotice?.(`left out: ${place}: ${problem}`);
  if (leftOut.length > TOLD) onNotice?.(`left out: ${leftOut.length - TOLD} rows more`);
  assertFew(set.name, leftOut.slice(unread), set.records.length, maxFailed);
  if (
    asked.length === 0 ||
    (wanted.length > 0 && !questions.some((question) => "item" in question) && timed.length === 0)
  ) {
    const [bad] = leftOut;
    const reason = bad === undefined ? "" : `: ${bad.place}: ${bad.problem}`;
    throw new BenchError(
      `${set.name}: nothing is left to ask and to score of ${set.rows} rows${reason}`,
      "name a split, or columns, with questions, pictures and reference answers",
    );
  }
  const { name, split, signature } = set;
  const part = { name, split: split ?? null, signature, leftOut: ofRows, rows: asked.length };
  return { part, questions, timed };
}

function itemOf(
  { id, question, topic, choices, unit, reading }: VqaRecord,
  place: string,
  { images, references, picture }: KeptImages,
  task: Task | undefined,
): DataItem {
  const item = {
    id,
    question,
    images,
    ...(picture === undefined ? {} : { picture }),
    references,
    topic: topic ?? null,
    place,
  };
  if (task === undefined) return item;
  const ofTask: DataItem = {
    ...item,
    id: `${task.name}/${id}`,
    task: task.name,
    maxNewTokens: task.maxNewTokens,
    ...(choices === undefined ? {} : { choices }),
    ...(unit === undefined ? {} : { unit }),
    ...(reading === undefined ? {} : { reading }),
  };
  if (!task.readsReferences) return ofTask;
  return { ...ofTask, references: references.map((reference) => readAnswer(ofTask, reference)) };
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

interface KeptImages extends Pick<DataItem, "images" | "references" | "picture"> {}

/** Pictures of one name in several folders, or tasks, stay apart. Boxes in pixels become shares of their picture. */
async function keepImages(
  set: VqaSet,
  record: VqaRecord,
  folder: string,
  task: string | undefined,
): Promise<KeptImages> {
  const { image, images: names = [image], answers, answersAre } = record;
  const pictures = await set.readImages(record);
  const images: string[] = [];
  for (const [i, bytes] of pictures.entries()) {
    // Lists of pictures in one column have one name.
    const name = names[i] ?? `${image}-${i + 1}`;
    images.push(await keepImage(bytes, name, folder, task));
  }
  const [first] = pictures;
  if (first === undefined) return { images, references: answers };
  const hash = createHash("sha256");
  for (const bytes of pictures) hash.update(`${bytes.length} `).update(bytes);
  const picture = hash.digest("hex").slice(0, 16);
  if (answersAre !== "pixel-boxes") return { images, picture, references: answers };
  return { images, picture, references: answers.map((box) => pictureBox(box, first)) };
}

async function keepImage(
  bytes: Uint8Array,
  image: string,
  folder: string,
  task: string | undefined,
): Promise<string> {
  const extension = extname(image);
  const stem = basename(image, extension).replaceAll(/[^\w.-]/g, "_");
  const mark = textHash(task === undefined ? image : `${task}\0${image}`).slice(0, 6);
  const name = `images/${stem}-${mark}${extension.replaceAll(/[^\w.]/g, "")}`;
  const path = join(folder, name);
  const before = await readFile(path).catch(() => undefined);
  if (before?.equals(bytes)) return name;
  await writeFile(`${path}.tmp`, bytes);
  await rename(`${path}.tmp`, path);
  return name;
}
