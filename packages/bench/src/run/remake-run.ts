import { join } from "node:path";
import { readJournal } from "../records/journal.ts";
import { type Run, runFiles, writeRun } from "../records/run-folder.ts";
import { findingsOf } from "./findings.ts";
import { summarize } from "./summarize.ts";

/**
 * Makes a run's summary from its records alone, and writes it beside them.
 * @throws {BenchError} where there are none
 */
export async function remakeRun(folder: string): Promise<Run> {
  const run = await summarize(folder, findingsOf(readJournal(join(folder, runFiles.results))));
  await writeRun(run);
  return run;
}
