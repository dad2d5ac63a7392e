import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readModel } from "@vlmopt/compress";
import {
  answerRequests,
  type CalibrationItem,
  loadTokenizer,
  loadVlm,
  madePicture,
  type OwnAnswerOptions,
  ownAnswers,
  type Vlm,
  type VlmOptions,
} from "@vlmopt/engine";
import type { Checkpoint } from "@vlmopt/tensor-io";
import { BenchError } from "../bench-error.ts";
import { checkpointHash, textHash } from "../run/content-hash.ts";
import type { CalibrationSet } from "./calibration-set.ts";

/** Tokens of a sequence of a text. */
const SEQUENCE = 512;
/** Changes with how answers are made. */
const ANSWERS_VERSION = 1;
/** Where no data are given. */
const OWN_ANSWERS = 64;

export interface CalibratedModel {
  readonly source: Checkpoint;
  /** `model_type` of config.json. */
  readonly modelType: string;
  readonly seesPictures: boolean;
  /** Of its contents, under which its answers are kept; undefined keeps none. */
  readonly hash: string | undefined;
}

export interface ItemOptions {
  readonly executor?: VlmOptions["executor"];
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Folder of answers that models gave. */
  readonly cache: string;
  readonly onAnswers?: ((done: number, total: number) => void) | undefined;
}

/** An answer as it is kept: the tokens of a text, or those behind a question about a picture that is had again otherwise. */
type KeptItem =
  | { readonly ids: readonly number[] }
  | { readonly prompt: string; readonly answer: readonly number[] };

/**
 * Items for a model: sequences of a text, questions with its likeliest answers, or what it writes by itself. Answers are made once and kept.
 * @throws {BenchError} where the data is not of the model's kind
 */
export async function calibrationItems(
  set: CalibrationSet,
  model: CalibratedModel,
  options: ItemOptions,
): Promise<readonly CalibrationItem[]> {
  const { modelType, seesPictures, source } = model;
  if (set.kind === "text") {
    if (!seesPictures) return sequencesOf(set, source);
    throw new BenchError(
      `${set.name} is a text, and the ${modelType} answers about pictures`,
      "calibrate it on questions with pictures, or leave it to its own answers",
    );
  }
  if (set.kind === "own") return ownItems(model, options);
  if (seesPictures) return questionItems(set, model, options);
  throw new BenchError(
    `${set.name} has pictures, and the ${modelType} sees none`,
    "calibrate it on a text file, or leave it to its own text",
  );
}

async function sequencesOf(
  { name, text, samples }: CalibrationSet & { readonly kind: "text" },
  source: Checkpoint,
): Promise<CalibrationItem[]> {
  const tokenizer = await loadTokenizer(source);
  const ids = tokenizer.encode(text);
  if (ids.length < 2) throw new BenchError(`${name}: has ${ids.length} tokens, too few to calibrate on`);
  const starts = Array.from({ length: Math.ceil(ids.length / SEQUENCE) }, (_, n) => n * SEQUENCE);
  const sequences = starts.map((start) => ids.slice(start, start + SEQUENCE));
  const whole = sequences.filter(({ length }) => length === SEQUENCE);
  return (whole.length === 0 ? sequences : spread(whole, samples)).map((sequence) => ({ ids: sequence }));
}

/** So many of all, from the first to the last: a file's parts may differ. */
function spread<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all];
  return Array.from({ length: count }, (_, n) => all[Math.floor((n * all.length) / count)] as T);
}

async function ownItems(model: CalibratedModel, options: ItemOptions): Promise<CalibrationItem[]> {
  const kept = await keptOrMade(model, "own", OWN_ANSWERS, options, (vlm, told) =>
    ownAnswers(vlm, { count: OWN_ANSWERS, ...told }),
  );
  // Made pictures are numbered as their answers are.
  return kept.map((item, n) => ("ids" in item ? item : { ...item, images: [madePicture(n)] }));
}

async function questionItems(
  { questions, hash }: CalibrationSet & { readonly kind: "questions" },
  model: CalibratedModel,
  options: ItemOptions,
): Promise<CalibrationItem[]> {
  const requests = questions.map(({ question, picture }) => ({ prompt: question, images: [picture] }));
  const kept = await keptOrMade(model, hash, requests.length, options, (vlm, told) =>
    answerRequests(vlm, requests, told),
  );
  return kept.map((item, n) => ({ ...item, images: requests[n]?.images ?? [] }));
}

type Told = Pick<OwnAnswerOptions, "signal" | "onAnswers">;

async function keptOrMade(
  { source, hash }: CalibratedModel,
  data: string,
  total: number,
  { executor = "ort", threads, signal, cache, onAnswers }: ItemOptions,
  make: (vlm: Vlm, told: Told) => Promise<readonly CalibrationItem[]>,
): Promise<readonly KeptItem[]> {
  const key = textHash(JSON.stringify([ANSWERS_VERSION, hash, data]));
  const file = hash === undefined ? undefined : join(cache, `${key}.json`);
  const before = file && (await readFile(file, "utf8").catch(() => undefined));
  if (before !== undefined) return JSON.parse(before) as KeptItem[];
  onAnswers?.(0, total);
  const vlm = await loadVlm(source, {
    executor,
    activations: "float32",
    ...(threads === undefined ? {} : { threads }),
  });
  try {
    const items = await make(vlm, {
      ...(signal === undefined ? {} : { signal }),
      onAnswers: (done) => onAnswers?.(done, total),
    });
    const kept = items.map(keptItem);
    if (file !== undefined) {
      await mkdir(cache, { recursive: true });
      await writeFile(`${file}.${process.pid}`, JSON.stringify(kept));
      await rename(`${file}.${process.pid}`, file);
    }
    return kept;
  } finally {
    await vlm.release();
  }
}

function keptItem(item: CalibrationItem): KeptItem {
  if ("ids" in item) return { ids: Array.from(item.ids) };
  const { prompt, answer } = item as { readonly prompt: string; readonly answer: readonly number[] };
  return { prompt, answer };
}

/**
 * The same for a model in a folder, whose answers are kept under a hash of it, with a fingerprint: equal for equal data and answers.
 * @throws {BenchError} where the data is not of the model's kind
 */
export async function fingerprintedItems(
  set: CalibrationSet,
  source: Checkpoint,
  folder: string,
  options: ItemOptions,
): Promise<{ readonly items: readonly CalibrationItem[]; readonly fingerprint: string }> {
  const { description } = await readModel(source);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const items = await calibrationItems(
    set,
    {
      source,
      modelType: description?.modelType ?? "model",
      seesPictures: description?.visionTower !== undefined,
      hash: isFolder ? await checkpointHash(folder, join(options.cache, "hashes")) : undefined,
    },
    options,
  );
  return { items, fingerprint: textHash(JSON.stringify([set.hash, items.map(tokensOf)])) };
}

/** The tokens or the text of an item's answer, or the tokens of a text: equal for equal data. */
function tokensOf(item: CalibrationItem) {
  return "ids" in item ? item.ids : (item.answer ?? []);
}
