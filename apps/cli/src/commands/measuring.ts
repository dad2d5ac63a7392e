// What `run` and `bench` do once they have a recipe.
import { join } from "node:path";
import type { Recipe, ReportFiles, RunOptions, RunSummary, Shard } from "@vlmopt/bench";
import { exitCodes } from "../terminal/failure.ts";
import { interruptible } from "../terminal/interrupt.ts";
import { stepProgress } from "../terminal/progress.ts";
import { formatTable } from "../terminal/table.ts";

export interface MeasuringOptions {
  /** Which part of the questions is asked. */
  readonly shard?: Shard | undefined;
  readonly out?: string | undefined;
  readonly fresh?: boolean | undefined;
  readonly json?: boolean | undefined;
}

const INTERRUPTED = "interrupted; what was measured is kept: run it again to go on";

/** Measures a recipe and writes its report, or measures a shard of it. Ctrl-C ends it at once; run again, it goes on. */
export async function measure(
  recipe: Recipe,
  { out, fresh, json = false, shard }: MeasuringOptions,
): Promise<void> {
  const { runRecipe, runShard, writeReport } = await import("@vlmopt/bench");
  const part = shard === undefined ? "" : `-${shard.index}-of-${shard.count}`;
  const folder = out ?? join("runs", `${recipe.name}${part}`);
  const progress = stepProgress(json);
  const failed: string[] = [];
  const work = async (signal: AbortSignal) => {
    const options: RunOptions = {
      folder,
      fresh,
      signal,
      onProgress: ({ variant, phase, done, total }) =>
        progress.update(
          [variant, phase].filter(Boolean).join(", "),
          done,
          total,
          phase === "speed" || phase === "answers",
        ),
      onNotice: (notice) => progress.warn(`warning: ${notice}`),
      onVariant: ({ variant, error }) => {
        if (error === null) return;
        failed.push(variant);
        progress.say(`${variant} failed: ${error}`);
      },
    };
    if (shard !== undefined) return runShard(recipe, shard, options);
    await runRecipe(recipe, options);
    return writeReport(folder);
  };
  let files: ReportFiles | undefined;
  try {
    files = (await interruptible(work, INTERRUPTED)) ?? undefined;
  } catch (error) {
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
    process.stderr.write(`error: ${INTERRUPTED}\n`);
    process.exitCode = exitCodes.interrupted;
    return;
  } finally {
    progress.stop();
  }
  if (files !== undefined) return printRun(folder, files, json);
  console.log(json ? JSON.stringify({ folder, shard, failed }, null, 2) : folder);
  if (failed.length > 0) failRun(`${failed.length} of ${recipe.variants.length} variants failed`);
}

/** Prints what a run found, and sets the exit code. */
export async function printRun(folder: string, files: ReportFiles, json: boolean): Promise<void> {
  const { readRun, remarks, resultTable, tableNotes } = await import("@vlmopt/bench");
  const { summary } = await readRun(folder);
  if (json) console.log(JSON.stringify({ folder, ...files, summary }, null, 2));
  else {
    console.log(tableOf(resultTable(summary)));
    console.log(`\n${described(summary, tableNotes(summary))}`);
    for (const remark of remarks(summary)) console.log(remark);
    console.log(
      [
        files.page,
        files.csv,
        files.markdown,
        `${join(folder, "figures")}: ${files.figures.length / 2} figures`,
      ].join("\n"),
    );
  }
  const isScored =
    summary.dataset.scored !== 0 || summary.variants.every(({ status }) => status !== "complete");
  const failed = summary.variants.filter(({ status }) => status === "failed");
  if (failed.length > 0) failRun(`${failed.length} of ${summary.variants.length} variants failed`);
  else if (!isScored) failRun("there is no question that every variant answered: nothing was scored");
}

function failRun(message: string): void {
  process.stderr.write(`error: ${message}\n`);
  process.exitCode = exitCodes.failed;
}

/** Names stand left, numbers right. */
function tableOf({ head, rows }: { head: string[]; rows: string[][] }): string {
  return formatTable(
    head.map((title, i) => (i < 2 ? { title } : { title, align: "right" })),
    rows,
  );
}

function described({ dataset, protocol }: RunSummary, notes: string): string {
  return `${dataset.count} questions of ${dataset.name}; speed at ${protocol.newTokens} new tokens; ${notes}`;
}
