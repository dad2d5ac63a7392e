import { join } from "node:path";
import { type CalibrationSet, recoveryKey } from "../calibration/calibration-set.ts";
import { type GpuReadings, startGpuMeter } from "../meters/gpu-meter.ts";
import { collectAnswers, type Item, measureSpeed, speedGoal, speedSoFar } from "../protocol/measure.ts";
import { unlessAborted } from "../protocol/unless-aborted.ts";
import type { Recipe, VariantSpec } from "../recipe/read-recipe.ts";
import type { BenchRecord, EndRecord } from "../records/bench-record.ts";
import type { Journal } from "../records/journal.ts";
import { completeSet, measuresSpeed, type Shard, shardText, WHOLE } from "../shards/shard.ts";
import { endpointPool, requestsAtOnce } from "../targets/endpoint-pool.ts";
import type { EndpointOptions } from "../targets/endpoint-target.ts";
import { engineTarget } from "../targets/engine-target.ts";
import type { Target } from "../targets/target.ts";
import { textHash } from "./content-hash.ts";
import type { DataItem } from "./data-item.ts";
import { makeCheckpoint } from "./made-checkpoint.ts";
import type { OpenedData } from "./open-data.ts";
import { PROTOCOL_VERSION, type Prepared, unmadeHash } from "./prepared.ts";
import type { RunOptions } from "./run-options.ts";
import type { RunProgress, VariantEnd } from "./run-progress.ts";

/** By what variants say, as JSON. */
export type Calibrations = ReadonlyMap<string, CalibrationSet>;

export interface VariantWork {
  readonly recipe: Recipe;
  readonly data: OpenedData;
  readonly dataHash: string;
  readonly calibrations: Calibrations;
  readonly folder: string;
  readonly journal: Journal;
  readonly variant: VariantSpec;
  readonly options: Pick<RunOptions, "signal" | "cache" | "onNotice" | "openTarget">;
  /** From 1; in the last one questions are answered too. */
  readonly round: number;
  readonly rounds: number;
  /** Undefined where all questions are asked here. */
  readonly shard: Shard | undefined;
  readonly report: (phase: RunProgress["phase"], done: number) => void;
}

/** @returns undefined where the signal came */
export async function measureVariant(work: VariantWork): Promise<Omit<VariantEnd, "variant"> | undefined> {
  const { journal, dataHash, variant, options } = work;
  let hash = unmadeHash(variant);
  try {
    const ready = await prepare(work);
    hash = ready.hash;
    const { size = null, precision = null } = ready.made ?? {};
    journal.append({ kind: "variant", hash, data: dataHash, name: variant.name, size, precision });
    try {
      if (!isComplete(journal, hash, work.shard)) await measure(work, ready);
    } finally {
      await ready.made?.release();
    }
    return { status: "complete", error: null };
  } catch (error) {
    if (options.signal?.aborted) return undefined;
    const { hint } = error as { hint?: unknown };
    const message = `${(error as Error).message}${typeof hint === "string" ? ` (${hint})` : ""}`;
    const attempt = nextAttempt(journal.records, hash);
    journal.append({ kind: "failed", hash, attempt, error: message, at: new Date().toISOString() });
    return { status: "failed", error: message };
  }
}

function isComplete({ records }: Journal, hash: string, shard: Shard | undefined): boolean {
  const ends = records.flatMap((record) =>
    record.kind === "end" && record.hash === hash ? [record.shard] : [],
  );
  if (shard !== undefined) return ends.includes(shardText(shard));
  // A merged run goes on as a whole one.
  return completeSet(ends) !== undefined;
}

async function prepare({
  recipe,
  data,
  calibrations,
  journal,
  variant,
  options,
  report,
  shard,
}: VariantWork): Promise<Prepared> {
  const { source, prune, recover, quantize, engine, visualTokens } = variant;
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
    {
      ...{ prune, calibrate, quantize },
      ...(recover === undefined
        ? {}
        : { recover: { ...recover, data: calibrations.get(recoveryKey(recover.data)) as CalibrationSet } }),
    },
    {
      signal,
      cache,
      isWanted: (hash) => !isComplete(journal, hashOf(hash), shard),
      onStep: (step) => report(step, 0),
      onWait: () => report("waiting", 0),
    },
  );
  return { variant, hash: hashOf(made.hash), made };
}

async function measure(work: VariantWork, { hash, made, variant }: Prepared): Promise<void> {
  const { recipe, data, folder, journal, options, report, round, rounds } = work;
  const { protocol } = recipe;
  const concurrency = "endpoint" in variant.source ? requestsAtOnce(variant.source.endpoint) : 1;
  const goal = speedGoal(protocol, work);
  if (round < rounds) {
    const { repetitions, milliseconds } = speedSoFar(journal.records, hash, concurrency);
    if (repetitions.size >= goal.repetitions && milliseconds >= goal.milliseconds) return;
  }
  const { signal } = options;
  const { shard = WHOLE } = work;
  if (data.items.length === 0 && !measuresSpeed(shard)) {
    journal.append({ kind: "end", hash, ...NOTHING_MEASURED, at: new Date().toISOString() });
    return;
  }
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
      journal.append({ kind: "load", hash, attempt, milliseconds });
      const located = (items: readonly DataItem[]) =>
        items.map((item): Item => ({ ...item, images: item.images.map((image) => join(folder, image)) }));
      const common = { hash, journal, protocol, concurrency, signal };
      const { maxFailed } = recipe;
      if (measuresSpeed(shard)) {
        report("speed", 0);
        await measureSpeed(target, {
          ...common,
          items: located(data.timed),
          limit: { total: data.timed.length, maxFailed },
          goal,
          onProgress: (done) => report("speed", done),
        });
      }
      if (round < rounds) return;
      const unusable = data.questions.length - data.items.length;
      await collectAnswers(target, {
        ...common,
        items: located(data.items),
        limit: { total: data.parts.reduce((sum, { rows }) => sum + rows, -unusable), maxFailed },
        onUnanswered: ({ place }, error) => options.onNotice?.(`${variant.name}: ${place}: ${error}`),
        onProgress: (done) => report("answers", Math.ceil(protocol.minRepetitions / rounds) + done),
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
      at: new Date().toISOString(),
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
    ? endpointPool(source.endpoint, options)
    : engineTarget(folder ?? source.model, engine, { visualTokens });
}

/** A shard without questions has no need of a model. */
const NOTHING_MEASURED = {
  memory: { devicePeak: null, processPeak: null, executorPeak: null },
  energy: null,
  device: null,
};

/** By the tokens of all requests of this attempt. */
function energyOf(
  records: readonly BenchRecord[],
  hash: string,
  readings: GpuReadings | undefined,
): EndRecord["energy"] {
  const loaded = records.findLastIndex((record) => record.kind === "load" && record.hash === hash);
  const tokens = records
    .slice(loaded)
    .reduce(
      (sum, record) => sum + ("newTokens" in record && record.hash === hash ? (record.newTokens ?? 0) : 0),
      0,
    );
  if (readings === undefined || readings.joules === null || tokens === 0) return null;
  return { joules: readings.joules, tokens, method: "NVML, counted by the devices" };
}

/** The number of the next process. */
function nextAttempt(records: readonly BenchRecord[], hash: string): number {
  const before = records.flatMap((record) =>
    record.hash === hash && (record.kind === "load" || record.kind === "failed") ? [record.attempt] : [],
  );
  return Math.max(-1, ...before) + 1;
}
