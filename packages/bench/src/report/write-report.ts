import { lstat, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { acquireLock, recordedNames, recordNames } from "@vlmopt/files";
import { BenchError } from "../bench-error.ts";
import { readJournal } from "../records/journal.ts";
import { LOCK_NAME, readRun, replaceFile, runFiles } from "../records/run-folder.ts";
import type { RunSummary, VariantSummary } from "../records/run-summary.ts";
import { findingsOf } from "../run/findings.ts";
import { remakeRun } from "../run/remake-run.ts";
import { barFigure } from "./figures/bars.ts";
import { type Cost, frontierFigure } from "./figures/frontier.ts";
import { precisionColours } from "./figures/palette.ts";
import { pngOf } from "./figures/svg-document.ts";
import { reportPage } from "./page/report-page.ts";
import { resultsCsv, resultsMarkdown, taskFigures, titleOf } from "./result-table.ts";
import { topicMarkdown } from "./topic-table.ts";

/** Paths of what a report is made of. */
export interface ReportFiles {
  readonly page: string;
  readonly csv: string;
  readonly markdown: string;
  /** SVG and PNG of each figure. */
  readonly figures: readonly string[];
}

/**
 * Writes a run's tables, figures and page into its folder, and where there is no summary first that, from the records; and deletes those of variants that are no longer there. What it replaces or deletes is
 * what an earlier report wrote.
 * @throws {BenchError} where the folder holds no run, or others' files have a report's names
 * @throws {LockedError} where another process is at work there, which it names
 */
export async function writeReport(folder: string): Promise<ReportFiles> {
  const isSummarized = await exists(join(folder, runFiles.summary));
  if (!isSummarized) findingsOf(readJournal(join(folder, runFiles.results)));
  await using _lock = await acquireLock(join(folder, LOCK_NAME), { of: folder });
  const run = isSummarized ? await readRun(folder) : await remakeRun(folder);
  const contents = new Map<string, string | Uint8Array>([
    ["results.csv", resultsCsv(run.summary)],
    ["results.md", `${resultsMarkdown(run.summary)}${topicMarkdown(run)}`],
  ]);
  for (const [name, svg] of figuresOf(run.summary)) {
    contents.set(`figures/${name}.svg`, svg);
    contents.set(`figures/${name}.png`, pngOf(svg));
  }
  contents.set("report.html", await reportPage(run));
  const before = await recordedNames(folder);
  for (const name of contents.keys()) {
    if (!before.has(name) && (await exists(join(folder, name)))) {
      throw new BenchError(`${join(folder, name)}: is in the way, and no report wrote it`, "move it away");
    }
  }
  await recordNames(folder, new Set([...before, ...contents.keys()]));
  await mkdir(join(folder, "figures"), { recursive: true });
  for (const [name, content] of contents) await replaceFile(join(folder, name), content);
  for (const name of before) if (!contents.has(name)) await rm(join(folder, name), { force: true });
  await recordNames(folder, contents.keys());
  return {
    page: join(folder, "report.html"),
    csv: join(folder, "results.csv"),
    markdown: join(folder, "results.md"),
    figures: [...contents.keys()]
      .filter((name) => name.startsWith("figures/"))
      .map((name) => join(folder, name)),
  };
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** The seed's figures: the frontier by latency and by size, of all variants, of whole models, of each precision, of each task; and bars. */
export function figuresOf({ variants }: RunSummary): [name: string, svg: string][] {
  const colours = precisionColours(variants);
  const figures: [string, string | undefined][] = [];
  const frontiers = (name: string, title: string, some: readonly VariantSummary[]) => {
    for (const cost of ["latency", "size"] as const satisfies readonly Cost[]) {
      figures.push([`${name}-by-${cost}`, frontierFigure(some, { title, cost, colours, all: variants })]);
    }
  };
  frontiers("frontier", "Quality and cost of all variants", variants);
  const ofTasks = taskFigures(variants);
  for (const { task, figure } of ofTasks.length > 1 ? ofTasks : []) {
    for (const cost of ["latency", "size"] as const satisfies readonly Cost[]) {
      const svg = frontierFigure(variants, { title: `${titleOf(figure)} and cost`, cost, colours, figure });
      figures.push([`frontier-task-${task}-by-${cost}`, svg]);
    }
  }
  const whole = variants.filter(({ pruning }) => pruning.length === 0);
  if (whole.length < variants.length)
    frontiers("frontier-not-pruned", "Quality and cost of whole models", whole);
  for (const precision of colours.keys()) {
    const some = variants.filter((variant) => variant.precision === precision);
    if (some.length < variants.length) {
      frontiers(
        `frontier-${precision.replaceAll(/[^\w.-]/g, "_")}`,
        `Quality and cost in ${precision}`,
        some,
      );
    }
  }
  for (const figure of ["latency", "quality", "size"] as const)
    figures.push([`bars-${figure}`, barFigure(variants, figure)]);
  return figures.filter((entry): entry is [string, string] => entry[1] !== undefined);
}
