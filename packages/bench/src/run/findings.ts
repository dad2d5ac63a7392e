import { BenchError } from "../bench-error.ts";
import { type FailureLimit, tooManyFailed } from "../protocol/failure-count.ts";
import type { Recipe, VariantSpec } from "../recipe/read-recipe.ts";
import type {
  AnswerRecord,
  BenchRecord,
  EndRecord,
  LoadRecord,
  SpeedRecord,
  VariantRecord,
} from "../records/bench-record.ts";
import type { EnergyFigures, Environment, MemoryFigure, MemoryFigures } from "../records/run-summary.ts";
import { completeSet, isTiming } from "../shards/shard.ts";
import { unmadeHash } from "./prepared.ts";
import { type RunData, runData } from "./run-data.ts";

/** What the records of a run say, of all its shards that are there. */
export interface Findings {
  readonly recipe: Recipe;
  readonly data: RunData;
  /** Of the machine that measured speed, where its records are there. */
  readonly environment: Environment;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly variants: ReadonlyMap<string, VariantFindings>;
}

/** One variant's records, sorted. */
export interface VariantFindings {
  /** Undefined where it was not made yet. */
  readonly variant: VariantRecord | undefined;
  /** The first, of the machine that measured speed: how often a run was stopped changes no figure. */
  readonly loads: readonly LoadRecord[];
  readonly speeds: readonly SpeedRecord[];
  readonly answers: ReadonlyMap<string, AnswerRecord>;
  /** Why questions have no answer, by their ids. */
  readonly unanswered: ReadonlyMap<string, string>;
  /** Where every shard came to its end. */
  readonly end: EndFindings | undefined;
  readonly error: string | undefined;
}

export interface EndFindings {
  readonly memory: MemoryFigures;
  readonly energy: EnergyFigures | null;
  readonly device: EndRecord["device"];
}

/** @throws {BenchError} where no process has begun to measure */
export function findingsOf(records: readonly BenchRecord[]): Findings {
  const runs = records.filter((record) => record.kind === "run");
  const last = runs.at(-1);
  if (last === undefined) throw new BenchError("there are no records of a run", "run the recipe first");
  const { recipe, parts, hash: data } = last;
  const ofData = runs.filter(({ hash }) => hash === data);
  const questions = new Map(
    records.flatMap((record) =>
      record.kind === "question" && record.hash === data ? [[record.at, record] as const] : [],
    ),
  );
  const read = runData(parts, [...questions.values()]);
  const variants = new Map<string, VariantRecord>();
  const byHash = new Map<string, BenchRecord[]>();
  for (const record of records) {
    if (record.kind === "variant" && record.data === data) variants.set(record.name, record);
    const same = byHash.get(record.hash);
    if (same === undefined) byHash.set(record.hash, [record]);
    else same.push(record);
  }
  const of = (spec: VariantSpec) => {
    const variant = variants.get(spec.name);
    const measured = variant === undefined ? [] : (byHash.get(variant.hash) ?? []);
    const own = [...(byHash.get(unmadeHash(spec)) ?? []), ...measured];
    return variantFindings(own, { variant, data: read, maxFailed: recipe.maxFailed });
  };
  const found = new Map(recipe.variants.map((spec) => [spec.name, of(spec)]));
  const hashes = new Set(
    recipe.variants.flatMap((spec) => [unmadeHash(spec), variants.get(spec.name)?.hash]),
  );
  const times = records.flatMap((record) =>
    (record.kind === "end" || record.kind === "failed") && hashes.has(record.hash) ? [record.at] : [],
  );
  const starts = ofData.map(({ startedAt }) => startedAt).sort();
  return {
    recipe,
    data: read,
    environment: (ofData.findLast(({ shard }) => isTiming(shard)) ?? last).environment,
    startedAt: starts[0] ?? last.startedAt,
    finishedAt: [...times, ...starts].sort().at(-1) ?? last.startedAt,
    variants: found,
  };
}

function variantFindings(
  own: readonly BenchRecord[],
  {
    variant,
    data,
    maxFailed,
  }: {
    readonly variant: VariantRecord | undefined;
    readonly data: RunData;
    readonly maxFailed: number;
  },
): VariantFindings {
  const answers = new Map(
    own.flatMap((record) => (record.kind === "answer" ? [[record.item, record] as const] : [])),
  );
  const unanswered = new Map(
    own.flatMap((record) =>
      record.kind === "unanswered" && !answers.has(record.item) ? [[record.item, record.error]] : [],
    ),
  );
  const limit = { total: data.items.length, maxFailed };
  const tooMany = unansweredProblem(data, unanswered, limit);
  return {
    variant,
    loads: own
      .filter((record) => record.kind === "load")
      .filter(({ shard }) => isTiming(shard))
      .slice(0, 1),
    speeds: own.filter((record) => record.kind === "speed"),
    answers,
    unanswered,
    end: tooMany === undefined ? endOf(own) : undefined,
    error: tooMany ?? errorOf(own),
  };
}

function unansweredProblem(
  { items }: RunData,
  unanswered: ReadonlyMap<string, string>,
  limit: FailureLimit,
): string | undefined {
  const bad = items.filter(({ id }) => unanswered.has(id));
  const [first] = bad;
  if (first === undefined) return undefined;
  return tooManyFailed(bad.length, `${first.place}: ${unanswered.get(first.id)}`, limit);
}

function endOf(own: readonly BenchRecord[]): EndFindings | undefined {
  const all = own.filter((record) => record.kind === "end");
  const shards = completeSet(all.map(({ shard }) => shard));
  if (shards === undefined) return undefined;
  const ends = shards.flatMap((shard) => all.find((end) => end.shard === shard) ?? []);
  const most = (figure: keyof MemoryFigures) =>
    ends
      .map(({ memory }) => memory[figure])
      .reduce<MemoryFigure | null>((a, b) => ((b?.bytes ?? -1) > (a?.bytes ?? -1) ? b : a), null);
  const counted = ends.flatMap(({ energy }) => (energy === null ? [] : [energy]));
  const [first] = counted;
  const tokens = counted.reduce((sum, energy) => sum + energy.tokens, 0);
  const joules = counted.reduce((sum, energy) => sum + energy.joules, 0);
  return {
    memory: {
      devicePeak: most("devicePeak"),
      processPeak: most("processPeak"),
      executorPeak: most("executorPeak"),
    },
    energy:
      first === undefined || tokens === 0 ? null : { joulesPerToken: joules / tokens, method: first.method },
    device: ends.find(({ shard }) => isTiming(shard))?.device ?? null,
  };
}

/** Of the first shard whose last process failed. */
function errorOf(own: readonly BenchRecord[]): string | undefined {
  for (const shard of new Set(own.map((record) => record.shard))) {
    const last = own.findLast(
      (record) => record.shard === shard && (record.kind === "load" || record.kind === "failed"),
    );
    if (last?.kind === "failed") return last.error;
  }
  return undefined;
}
