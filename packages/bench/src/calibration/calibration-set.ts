import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { DatasetError } from "@vlmopt/datasets";
import { BenchError } from "../bench-error.ts";
import type { CalibrateSpec } from "../recipe/data-spec.ts";
import { textHash } from "../run/content-hash.ts";
import { openSet } from "../run/open-set.ts";

/** What a model is calibrated on, before it is known which. */
export type CalibrationSet = {
  /** For records and messages. */
  readonly name: string;
  /** Equal for equal contents. */
  readonly hash: string;
} & (
  | { readonly kind: "own" }
  | { readonly kind: "text"; readonly text: string; readonly samples: number }
  | { readonly kind: "questions"; readonly questions: readonly CalibrationQuestion[] }
);

export interface CalibrationQuestion {
  readonly question: string;
  readonly picture: Uint8Array;
  /** SHA-256. */
  readonly pictureHash: string;
  readonly id: string;
  /** File and row, for messages. */
  readonly place: string;
}

/**
 * Reads calibration data: questions that lack something are left out.
 * @param method how questions are drawn; by pictures, all that is asked about one comes together
 * @throws {BenchError | DatasetError} where nothing is left, or it cannot be read
 */
export async function openCalibrationSet(
  spec: CalibrateSpec,
  method: "random" | "pictures" = "random",
): Promise<CalibrationSet> {
  if (spec === "own") return { kind: "own", name: "the model's own answers", hash: "own" };
  return "text" in spec ? openText(spec) : openQuestions(spec, method);
}

/** The key of data to learn from. Data to calibrate on has other keys, since it is drawn another way. */
export function recoveryKey(spec: CalibrateSpec): string {
  return `recover ${JSON.stringify(spec)}`;
}

async function openText({ text: file, samples }: { text: string; samples: number }): Promise<CalibrationSet> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new BenchError(
      `${file}: ${error.code === "ENOENT" ? "no such file" : error.message}`,
      "name a text to calibrate on, or leave it to the model's own",
    );
  });
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new BenchError(`${file}: is no text in UTF-8`, "convert it, or name another");
  }
  if (text.trim() === "") throw new BenchError(`${file}: has no text to calibrate on`, "name another file");
  return { kind: "text", name: basename(file), hash: textHash(`${samples}\0${text}`), text, samples };
}

async function openQuestions(
  spec: Exclude<CalibrateSpec, "own" | { readonly text: string }>,
  method: "random" | "pictures",
): Promise<CalibrationSet> {
  const { samples, ...data } = spec;
  const leftOut: string[] = [];
  const set = await openSet({ ...data, sample: { method, count: samples, seed: 0 } }, (row) =>
    leftOut.push(`${row.place}: ${row.problem}`),
  );
  const usable = set.records.filter((record) => {
    const problem = record.question.trim() === "" ? "the question is empty" : set.imageProblem(record);
    if (problem !== undefined) leftOut.push(`${set.placeOf(record)}: ${problem}`);
    return problem === undefined;
  });
  await set.fetchImages({ records: usable });
  const questions: CalibrationQuestion[] = [];
  for (const record of usable) {
    const place = set.placeOf(record);
    try {
      const picture = await set.readImage(record);
      const pictureHash = createHash("sha256").update(picture).digest("hex");
      questions.push({ question: record.question, picture, pictureHash, id: record.id, place });
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      leftOut.push(`${place}: ${error.message}`);
    }
  }
  const split = set.split === undefined ? "" : ` ${set.split}`;
  const name = `${basename(set.name)}${split}`;
  if (questions.length === 0) {
    const reason = leftOut[0] === undefined ? "" : `: ${leftOut[0]}`;
    throw new BenchError(
      `${set.name}: nothing is left to calibrate on of ${set.rows} rows${reason}`,
      "name a split with questions and pictures, or leave it to the model's own answers",
    );
  }
  const contents = questions.map(({ question, pictureHash }) => `${pictureHash} ${question}`);
  return { kind: "questions", name, hash: textHash(contents.join("\n")), questions };
}
