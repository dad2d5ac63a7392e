import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BenchError } from "../bench-error.ts";
import type { ItemResult, RunSummary } from "./run-summary.ts";

/** Names of the files in a run's folder; images lie in `images/`. */
export const runFiles = {
  /** Every measurement as it was taken, append-only. */
  results: "results.jsonl",
  summary: "summary.json",
  items: "items.jsonl",
  recipe: "recipe.json",
} as const;

/** Held by the process that works in a run's folder. */
export const LOCK_NAME = ".lock";

/** A run that was summed up. */
export interface Run {
  readonly folder: string;
  readonly summary: RunSummary;
  readonly items: readonly ItemResult[];
}

/**
 * Reads what a run found.
 * @throws {BenchError} where the folder holds no summary, or another version's
 */
export async function readRun(folder: string): Promise<Run> {
  const [summary, items] = await Promise.all(
    [runFiles.summary, runFiles.items].map((name) => text(folder, name)),
  );
  const parsed = parse(summary ?? "", join(folder, runFiles.summary)) as RunSummary;
  if (parsed.version !== 1) {
    throw new BenchError(
      `${join(folder, runFiles.summary)}: version ${String(parsed.version)} is not known, 1 is`,
    );
  }
  const lines = (items ?? "").split("\n").filter((line) => line !== "");
  return {
    folder,
    summary: parsed,
    items: lines.map((line, i) => parse(line, `${join(folder, runFiles.items)}:${i + 1}`) as ItemResult),
  };
}

/** Writes what a run found; each file appears whole. */
export async function writeRun({ folder, summary, items }: Run): Promise<void> {
  await replaceFile(join(folder, runFiles.items), items.map((item) => `${JSON.stringify(item)}\n`).join(""));
  await replaceFile(join(folder, runFiles.summary), `${JSON.stringify(summary, null, 2)}\n`);
}

/** Writes a file that appears whole. */
export async function replaceFile(path: string, contents: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, contents);
  await rename(temporary, path);
}

async function text(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new BenchError(
      `${folder}: there is no ${name}`,
      "name the folder of a run: vlmopt run writes it when it ends",
    );
  }
}

function parse(json: string, place: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new BenchError(`${place}: is not valid JSON: ${(error as Error).message}`);
  }
}
