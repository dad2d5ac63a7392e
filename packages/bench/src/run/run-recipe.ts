import { join, resolve } from "node:path";
import { checkOptions, flag, func, name, object } from "@vlmopt/options";
import { type CalibrationSet, openCalibrationSet } from "../calibration/calibration-set.ts";
import { assertUnseen } from "../calibration/scored-items.ts";
import { type GpuReadings, startGpuMeter } from "../meters/gpu-meter.ts";
import { collectAnswers, type Item, measureSpeed } from "../protocol/measure.ts";
import { unlessAborted } from "../protocol/unless-aborted.ts";
import type { Recipe, VariantSpec } from "../recipe/read-recipe.ts";
import { type BenchRecord, type Journal, openJournal } from "../records/journal.ts";
import { type Run, runFiles, writeRun } from "../records/run-folder.ts";
import type { EnergyFigures } from "../records/run-summary.ts";
import { type EndpointOptions, endpointTarget } from "../targets/endpoint-target.ts";
import { engineTarget } from "../targets/engine-target.ts";
import type { Target } from "../targets/target.ts";
import { claimRunFolder } from "./claim-run-folder.ts";
import { textHash } from "./content-hash.ts";
import { makeCheckpoint } from "./made-checkpoint.ts";
import { openData, type RunData } from "./open-data.ts";
import type { Prepared } from "./prepared.ts";
import { assertScorable } from "./quality.ts";
import type { RunProgress, VariantEnd } from "./run-progress.ts";
import { summarize } from "./summarize.ts";

export interface RunOptions {
  /** Where everything goes; a run that lies there is gone on with. */
  readonly folder: string;
  /** Measure all anew: what an earlier run of any recipe found there goes. */
  readonly fresh?: boolean | undefined;
  /** Folder of made checkpoints; below VLMOPT_CACHE, else the user's cache, unless told. */
  readonly cache?: string;
  /** Ends the run and the requests that are under way; what was measured stays, and the summary says what is missing. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
  /** Told what a person should know while it happens: rows left out, questions that could not be answered, requests that are sent again. */
  readonly onNotice?: (notice: string) => void;
  readonly onVariant?: (end: VariantEnd) => void;
  /** What answers for a variant, instead of an engine's process or the recipe's endpoint. */
  readonly openTarget?: (variant: VariantSpec, folder: string | undefined) => Target;
}

/** Changes with what is measured, so that records of earlier versions do not count. */
const PROTOCOL_VERSION = 2;

/**
 * Measures every variant of a recipe: speed at a fixed number of tokens, quality at natural ends. Each measurement is on the disk before
 * the next begins, so that a run that was stopped in any way goes on where it was. A variant that fails does not stop the others.
 * @returns what was found, which is also written to the folder
 * @throws {BenchError} where the folder holds another recipe's run, or there are no questions
 * @throws the signal's reason, after the summary of what there is was written
 */
export async function runRecipe(recipe: Recipe, options: RunOptions): Promise<Run> {
  checkOptions(
    "runRecipe",
    options,
    {
      folder: name,
      fresh: flag,
      cache: name,
      signal: object,
      onProgress: func,
      onNotice: func,
      onVariant: func,
      openTarget: func,
    },
    ["folder"],
  );
  const folder = resolve(options.folder);
  const { signal, onProgress, onVariant, onNotice, fresh = false } = options;
  await using _claim = await claimRunFolder(recipe, folder, { fresh });
  const startedAt = new Date();
  onProgress?.({ variant: "", phase: "data", done: 0, total: 1 });
  const opening = openData(recipe, folder, { maxFailed: recipe.maxFailed, onNotice });
  const data = await unlessAborted(opening, signal);
  await assertScorable(recipe.metrics, data.items);
  for (const { task } of data.tasks)
    await assertScorable(
      task.metrics,
      data.items.filter((item) => item.task === task.name),
    );
  const calibrations = await unlessAborted(openCalibrations(recipe, data, folder), signal);
  const journal = openJournal(join(folder, runFiles.results));
  const prepared = new Map<string, Prepared>();
  const units = recipe.protocol.minRepetitions + data.items.length;
  try {
    for (const [index, variant] of recipe.variants.entries()) {
      if (signal?.aborted) break;
      const report = (phase: RunProgress["phase"], done: number) =>
        onProgress?.({
          variant: variant.name,
          phase,
          done: index * units + done,
          total: recipe.variants.length * units,
        });
      const ended = await measureVariant({
        recipe,
        data,
        calibrations,
        folder,
        journal,
        variant,
        prepared,
        options,
        report,
      });
      if (ended !== undefined) onVariant?.({ variant: variant.name, ...ended });
    }
    onProgress?.({ variant: "", phase: "scoring", done: 1, total: 1 });
    const run = await summarize({ recipe, data, folder, prepared, records: journal.records, startedAt });
    await writeRun(run);
    signal?.throwIfAborted();
    return run;
  } finally {
    journal.close();
  }
}

/** By what variants say, as JSON. */
type Calibrations = ReadonlyMap<string, CalibrationSet>;

/** @throws {BenchError} where what is scored would be calibrated on */
async function openCalibrations(recipe: Recipe, data: RunData, folder: string): Promise<Calibrations> {
  const opened = new Map<string, CalibrationSet>();
  for (const { calibrate } of recipe.variants) {
    const key = JSON.stringify(calibrate);
    if (calibrate === undefined || opened.has(key)) continue;
    const set = await openCalibrationSet(calibrate);
    await assertUnseen(set, data.items, folder);
    opened.set(key, set);
  }
  return opened;
}

interface VariantWork {
  readonly recipe: Recipe;
  readonly data: RunData;
  readonly calibrations: Calibrations;
  readonly folder: string;
  readonly journal: Journal;
  readonly variant: VariantSpec;
  /** Filled as variants are made. */
  readonly prepared: Map<string, Prepared>;
  readonly options: RunOptions;
  readonly report: (phase: RunProgress["phase"], done: number) => void;
}

/** @returns undefined where the signal came */
async function measureVariant(work: VariantWork): Promise<Omit<VariantEnd, "variant"> | undefined> {
  const { journal, variant, prepared, options } = work;
  let hash = textHash(JSON.stringify([PROTOCOL_VERSION, variant]));
  try {
    const ready = await prepare(work);
    hash = ready.hash;
    prepared.set(variant.name, ready);
    try {
      if (!isComplete(journal, hash)) await measure(work, ready);
    } finally {
      await ready.made?.release();
    }
    return { status: "complete", error: null };
  } catch (error) {
    if (options.signal?.aborted) return undefined;
    const { hint } = error as { hint?: unknown };
    const message = `${(error as Error).message}${typeof hint === "string" ? ` (${hint})` : ""}`;
    if (!prepared.has(variant.name)) prepared.set(variant.name, { variant, hash, made: undefined });
    journal.append({ kind: "failed", hash, attempt: nextAttempt(journal.records, hash), error: message });
    return { status: "failed", error: message };
  }
}

function isComplete({ records }: Journal, hash: string): boolean {
  return records.some((record) => record.kind === "end" && record.hash === hash);
}

async function prepare({
  recipe,
  data,
  calibrations,
  journal,
  variant,
  options,
  report,
}: VariantWork): Promise<Prepared> {
  const { source, prune, quantize, engine, visualTokens } = variant;
  const same = [PROTOCOL_VERSION, recipe.protocol, data.summary.signature];
  if ("endpoint" in source) {
    const hash = textHash(JSON.stringify([...same, source.endpoint]));
    return { variant, hash, made: undefined };
  }
  report("making", 0);
  const { signal, cache } = options;
  const calibrate = calibrations.get(JSON.stringify(variant.calibrate));
  const hashOf = (made: string) =>
    textHash(JSON.stringify([...same, made, engine, ...(visualTokens === undefined ? [] : [visualTokens])]));
  const made = await makeCheckpoint(
    source.model,
    { prune, calibrate, quantize },
    {
      signal,
      cache,
      isWanted: (hash) => !isComplete(journal, hashOf(hash)),
      onStep: (step) => report(step, 0),
      onWait: () => report("waiting", 0),
    },
  );
  return { variant, hash: hashOf(made.hash), made };
}

async function measure(work: VariantWork, { hash, made, variant }: Prepared): Promise<void> {
  const { recipe, data, folder, journal, options, report } = work;
  const { protocol } = recipe;
  const { signal } = options;
  report("loading", 0);
  const target =
    options.openTarget?.(variant, made?.folder) ??
    openTarget(variant, made?.folder, {
      signal,
      onNotice: (notice) => options.onNotice?.(`${variant.name}: ${notice}`),
    });
  const stop = () => void target.close();
  signal?.addEventListener("abort", stop, { once: true });
  try {
    signal?.throwIfAborted();
    const meter = target.pid === undefined ? undefined : await startGpuMeter(target.pid);
    let readings: GpuReadings | undefined;
    try {
      const milliseconds = await unlessAborted(target.load(), signal);
      meter?.beginEnergy();
      const attempt = nextAttempt(journal.records, hash);
      journal.append({ kind: "load", hash, attempt, milliseconds, size: made?.size ?? null });
      const items = data.items.map(
        (item): Item => ({
          ...item,
          images: item.images.map((image) => join(folder, image)),
        }),
      );
      const concurrency = "endpoint" in variant.source ? variant.source.endpoint.concurrency : 1;
      const { maxFailed } = recipe;
      const common = { hash, journal, items, protocol, concurrency, signal, maxFailed };
      report("speed", 0);
      await measureSpeed(target, { ...common, onProgress: (done) => report("speed", done) });
      await collectAnswers(target, {
        ...common,
        onUnanswered: ({ place }, error) => options.onNotice?.(`${variant.name}: ${place}: ${error}`),
        onProgress: (done) => report("answers", protocol.minRepetitions + done),
      });
    } finally {
      readings = await meter?.stop();
    }
    journal.append({
      kind: "end",
      hash,
      memory: {
        devicePeak: readings?.memory ?? null,
        ...(await target.peakMemory()),
      },
      energy: energyOf(journal.records, hash, readings),
      device: readings?.device ?? null,
    });
  } finally {
    signal?.removeEventListener("abort", stop);
    await target.close();
  }
}

function openTarget(
  { source, engine, visualTokens }: VariantSpec,
  folder: string | undefined,
  options: EndpointOptions,
): Target {
  return "endpoint" in source
    ? endpointTarget(source.endpoint, options)
    : engineTarget(folder ?? source.model, engine, { visualTokens });
}

/** By the tokens of all requests of this attempt. */
function energyOf(
  records: readonly BenchRecord[],
  hash: string,
  readings: GpuReadings | undefined,
): EnergyFigures | null {
  const loaded = records.findLastIndex((record) => record.kind === "load" && record.hash === hash);
  const tokens = records
    .slice(loaded)
    .reduce(
      (sum, record) => sum + ("newTokens" in record && record.hash === hash ? (record.newTokens ?? 0) : 0),
      0,
    );
  if (readings === undefined || readings.joules === null || tokens === 0) return null;
  return { joulesPerToken: readings.joules / tokens, method: "NVML, counted by the devices" };
}

function nextAttempt(records: readonly BenchRecord[], hash: string): number {
  const before = records.flatMap((record) =>
    record.hash === hash && (record.kind === "load" || record.kind === "failed") ? [record.attempt] : [],
  );
  return Math.max(-1, ...before) + 1;
}
