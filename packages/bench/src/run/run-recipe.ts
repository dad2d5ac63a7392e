import { join, resolve } from "node:path";
import { checkOptions, flag, func, name, object } from "@vlmopt/options";
import { type CalibrationSet, openCalibrationSet, recoveryKey } from "../calibration/calibration-set.ts";
import { assertUnseen } from "../calibration/scored-items.ts";
import { unlessAborted } from "../protocol/unless-aborted.ts";
import type { CalibrateSpec } from "../recipe/data-spec.ts";
import type { Recipe } from "../recipe/read-recipe.ts";
import type { RunRecord } from "../records/bench-record.ts";
import { type Journal, openJournal } from "../records/journal.ts";
import { type Run, runFiles, writeRun } from "../records/run-folder.ts";
import { measuresSpeed, type Shard, shardText, WHOLE } from "../shards/shard.ts";
import { claimRunFolder } from "./claim-run-folder.ts";
import { textHash } from "./content-hash.ts";
import { environment } from "./environment.ts";
import { findingsOf } from "./findings.ts";
import { type Calibrations, measureVariant, type VariantWork } from "./measure-variant.ts";
import { type OpenedData, openData } from "./open-data.ts";
import { PROTOCOL_VERSION } from "./prepared.ts";
import { assertScorable } from "./quality.ts";
import type { RunOptions } from "./run-options.ts";
import type { RunProgress } from "./run-progress.ts";
import { summarize } from "./summarize.ts";

const optionRules = {
  folder: name,
  fresh: flag,
  cache: name,
  signal: object,
  onProgress: func,
  onNotice: func,
  onVariant: func,
  openTarget: func,
};

/**
 * Measures every variant of a recipe: speed at a fixed number of tokens, quality at natural ends. Each measurement is on the disk before
 * the next begins, so that a run that was stopped in any way goes on where it was. A variant that fails does not stop the others.
 * @returns what was found, which is also written to the folder
 * @throws {BenchError} where the folder holds another recipe's run, or there are no questions
 * @throws the signal's reason, after the summary of what there is was written
 */
export async function runRecipe(recipe: Recipe, options: RunOptions): Promise<Run> {
  checkOptions("runRecipe", options, optionRules, ["folder"]);
  const { folder, signal, onProgress } = options;
  return measureRecipe(recipe, options, undefined, async (journal) => {
    onProgress?.({ variant: "", phase: "scoring", done: 1, total: 1 });
    const run = await summarize(resolve(folder), findingsOf(journal.records));
    await writeRun(run);
    signal?.throwIfAborted();
    return run;
  });
}

/**
 * Asks one shard of a recipe's questions, as one of several machines does; the first one measures speed too. What was measured stands in the folder's
 * records; `mergeRuns` makes a summary of those of all shards.
 * @throws {BenchError} as `runRecipe` does
 */
export async function runShard(recipe: Recipe, shard: Shard, options: RunOptions): Promise<void> {
  checkOptions("runShard", options, optionRules, ["folder"]);
  await measureRecipe(recipe, options, shard, async () => options.signal?.throwIfAborted());
}

/** @param end is called while the folder is still this process's own */
async function measureRecipe<End>(
  recipe: Recipe,
  options: RunOptions,
  shard: Shard | undefined,
  end: (journal: Journal) => Promise<End>,
): Promise<End> {
  const folder = resolve(options.folder);
  const { signal, onProgress, onNotice, fresh = false } = options;
  await using _claim = await claimRunFolder(recipe, folder, { fresh, shard });
  onProgress?.({ variant: "", phase: "data", done: 0, total: 1 });
  const opening = openData(recipe, folder, { maxFailed: recipe.maxFailed, onNotice, shard });
  const data = await unlessAborted(opening, signal);
  await assertScorable(recipe.metrics, data.items);
  for (const { task } of data.tasks)
    await assertScorable(
      task.metrics,
      data.items.filter((item) => item.task === task.name),
    );
  const calibrations = await unlessAborted(openCalibrations(recipe, data, folder), signal);
  const journal = openJournal(join(folder, runFiles.results), shard && { shard: shardText(shard) });
  const dataHash = textHash(data.summary.signature);
  try {
    const start = { protocol: PROTOCOL_VERSION, recipe, parts: data.parts };
    await noteStart(journal, dataHash, start);
    journal.appendAll(
      data.questions.map((question) => ({ kind: "question", hash: dataHash, ...question }) as const),
    );
    const context = { recipe, data, dataHash, calibrations, folder, journal, options, shard };
    await inRounds({ ...context, rounds: roundsOf(recipe, shard) });
    return await end(journal);
  } finally {
    journal.close();
  }
}

/** Speed is measured in all rounds; what does not measure it, or has nothing to be compared with, needs one. */
function roundsOf({ protocol, variants }: Recipe, shard: Shard | undefined): number {
  return variants.length > 1 && measuresSpeed(shard ?? WHOLE) ? protocol.rounds : 1;
}

/** Goes through all variants once a round. One that fails has no further rounds. */
async function inRounds(
  work: Omit<VariantWork, "variant" | "report" | "round"> & { readonly options: RunOptions },
): Promise<void> {
  const { recipe, data, options, rounds } = work;
  const { variants, protocol } = recipe;
  const speeds = Math.ceil(protocol.minRepetitions / rounds);
  const total = variants.length * (rounds * speeds + data.items.length);
  const failed = new Set<string>();
  for (let round = 1; round <= rounds; round++) {
    const units = round < rounds ? speeds : speeds + data.items.length;
    for (const [index, variant] of variants.entries()) {
      if (options.signal?.aborted) return;
      if (failed.has(variant.name)) continue;
      const before = (round - 1) * variants.length * speeds + index * units;
      const report = (phase: RunProgress["phase"], done: number) =>
        options.onProgress?.({ variant: variant.name, phase, done: before + done, total });
      const ended = await measureVariant({ ...work, variant, round, report });
      if (ended?.status === "failed") failed.add(variant.name);
      if (ended !== undefined && (round === rounds || ended.status === "failed"))
        options.onVariant?.({ variant: variant.name, ...ended });
    }
  }
}

/** A run that goes on as it began is noted once. */
async function noteStart(
  journal: Journal,
  hash: string,
  start: Pick<RunRecord, "protocol" | "recipe" | "parts">,
): Promise<void> {
  const startedAt = new Date().toISOString();
  const said = (record: Pick<RunRecord, "hash" | "environment" | keyof typeof start>) =>
    JSON.stringify([record.hash, record.protocol, record.environment.vlmopt, record.recipe, record.parts]);
  const run = { hash, startedAt, environment: await environment(), ...start };
  const before = journal.records.filter((record) => record.kind === "run");
  const last = before.at(-1);
  if (last === undefined || said(last) !== said(run))
    journal.append({ kind: "run", attempt: before.length, ...run });
}

/** @throws {BenchError} where what is scored would be calibrated on, or learned from */
async function openCalibrations(recipe: Recipe, data: OpenedData, folder: string): Promise<Calibrations> {
  const opened = new Map<string, CalibrationSet>();
  const open = async (key: string, spec: CalibrateSpec, method: "random" | "pictures") => {
    if (opened.has(key)) return;
    const set = await openCalibrationSet(spec, method);
    await assertUnseen(set, data.items, folder);
    opened.set(key, set);
  };
  for (const { calibrate, recover } of recipe.variants) {
    if (calibrate !== undefined) await open(JSON.stringify(calibrate), calibrate, "random");
    if (recover !== undefined) await open(recoveryKey(recover.data), recover.data, "pictures");
  }
  return opened;
}
