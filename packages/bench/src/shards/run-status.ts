import { join, resolve } from "node:path";
import { holderNamed, lockHolder } from "@vlmopt/files";
import { BenchError } from "../bench-error.ts";
import type { Recipe, VariantSpec } from "../recipe/read-recipe.ts";
import type { BenchRecord } from "../records/bench-record.ts";
import { readJournal } from "../records/journal.ts";
import { LOCK_NAME, runFiles } from "../records/run-folder.ts";
import { unmadeHash } from "../run/prepared.ts";
import { requestsAtOnce } from "../targets/endpoint-pool.ts";
import { isTiming, shardsWith } from "./shard.ts";

/** How far a shard is, or a run that is not spread. */
export interface ShardStatus {
  readonly folder: string;
  /** `3/16`; null for a run that is not spread. */
  readonly shard: string | null;
  readonly state: "running" | "complete" | "failed" | "stopped";
  /** "process 12 on node3", where it runs. */
  readonly holder: string | null;
  /** Questions answered, those without an answer, and all, over all variants. */
  readonly answered: number;
  readonly unanswered: number;
  readonly questions: number;
  /** Seconds of requests that are left, by what those done took; null before the first, 0 at the end. Making and loading models is not counted. */
  readonly secondsLeft: number | null;
}

export interface RunStatus {
  readonly shards: readonly ShardStatus[];
  /** Shards of which there are no records here. */
  readonly missing: readonly string[];
  /** Variants that failed and questions without an answer, by what they have in common; most frequent first. */
  readonly failures: readonly FailureKind[];
}

export interface FailureKind {
  /** The message without what is the question's, the server's or the attempt's own. */
  readonly kind: string;
  readonly count: number;
  /** One of them, whole. */
  readonly example: string;
}

/**
 * Tells how far runs and shards are, from their records alone: nothing is asked of the processes.
 * @throws {BenchError} where a folder holds no records
 */
export async function runStatus(folders: readonly string[]): Promise<RunStatus> {
  const shards: ShardStatus[] = [];
  const messages: string[] = [];
  const expected = new Set<string>();
  for (const folder of folders.map((name) => resolve(name))) {
    const holder = await lockHolder(join(folder, LOCK_NAME));
    const records = readJournal(join(folder, runFiles.results));
    for (const shard of new Set(records.map((record) => record.shard))) {
      const own = records.filter((record) => record.shard === shard);
      const found = shardProgress(own, shard);
      if (found === undefined) continue;
      messages.push(...found.messages);
      for (const name of shardsWith(shard)) if (name !== undefined) expected.add(name);
      const { isComplete, isFailed, ...progress } = found.progress;
      const state = isComplete
        ? "complete"
        : holder !== undefined
          ? "running"
          : isFailed
            ? "failed"
            : "stopped";
      shards.push({
        folder,
        shard: shard ?? null,
        state,
        holder: state === "running" ? holderNamed(holder) : null,
        ...progress,
      });
    }
  }
  if (shards.length === 0)
    throw new BenchError(`${folders.join(", ")}: no run has begun to measure`, "look again in a while");
  const there = new Set(shards.map(({ shard }) => shard));
  return {
    shards,
    missing: [...expected].filter((name) => !there.has(name)),
    failures: failureKinds(messages),
  };
}

interface Progress extends Pick<ShardStatus, "answered" | "unanswered" | "questions" | "secondsLeft"> {
  readonly isComplete: boolean;
  readonly isFailed: boolean;
}

function shardProgress(
  records: readonly BenchRecord[],
  shard: string | undefined,
): { readonly progress: Progress; readonly messages: readonly string[] } | undefined {
  const run = records.findLast((record) => record.kind === "run");
  if (run?.kind !== "run") return undefined;
  const { recipe, hash: data } = run;
  const ids = new Set(
    records.flatMap((record) =>
      record.kind === "question" && record.hash === data && "item" in record ? [record.item.id] : [],
    ),
  );
  const variants = recipe.variants.map((spec) =>
    variantProgress(records, { data, spec, ids, recipe, shard }),
  );
  const sum = (count: (variant: (typeof variants)[number]) => number) =>
    variants.reduce((total, variant) => total + count(variant), 0);
  // What has not begun is taken to last as long as what has.
  const known = variants.flatMap(({ each }) => (each === undefined ? [] : [each]));
  const usual = known.length === 0 ? undefined : known.reduce((a, b) => a + b, 0) / known.length;
  const left = variants.map((variant) => {
    const each = variant.each ?? usual;
    return variant.left === 0 ? 0 : each === undefined ? null : each * variant.left;
  });
  const isComplete = variants.every(({ ended }) => ended);
  return {
    messages: variants.flatMap(({ messages }) => messages),
    progress: {
      answered: sum(({ answered }) => answered),
      unanswered: sum(({ unanswered }) => unanswered.length),
      questions: ids.size * variants.length,
      secondsLeft: left.includes(null) ? null : left.reduce<number>((a, b) => a + (b ?? 0), 0),
      isComplete,
      isFailed: !isComplete && variants.every(({ ended, failure }) => ended || failure !== undefined),
    },
  };
}

interface VariantContext {
  readonly data: string;
  readonly spec: VariantSpec;
  readonly ids: ReadonlySet<string>;
  readonly recipe: Recipe;
  readonly shard: string | undefined;
}

function variantProgress(
  records: readonly BenchRecord[],
  { data, spec, ids, recipe, shard }: VariantContext,
) {
  const variant = records.findLast(
    (record) => record.kind === "variant" && record.data === data && record.name === spec.name,
  );
  const hashes = new Set([variant?.hash, unmadeHash(spec)]);
  const own = records.filter(({ hash }) => hashes.has(hash));
  const answers = own.filter((record) => record.kind === "answer").filter(({ item }) => ids.has(item));
  const answered = new Set(answers.map(({ item }) => item));
  const unanswered = own
    .filter((record) => record.kind === "unanswered")
    .filter(({ item }) => ids.has(item) && !answered.has(item));
  const speeds = own.filter((record) => record.kind === "speed");
  const last = own.findLast(({ kind }) => kind === "load" || kind === "failed");
  const ended = own.some(({ kind }) => kind === "end");
  const failure = !ended && last?.kind === "failed" ? last.error : undefined;
  const repetitions = isTiming(shard) ? recipe.protocol.minRepetitions : 0;
  const left =
    Math.max(0, ids.size - answered.size - unanswered.length) + Math.max(0, repetitions - speeds.length);
  const taken = [...answers, ...speeds].map(({ latency }) => latency);
  const atOnce = "endpoint" in spec.source ? requestsAtOnce(spec.source.endpoint) : 1;
  return {
    answered: answered.size,
    unanswered,
    ended,
    failure,
    messages: [...unanswered.map(({ error }) => error), ...(failure === undefined ? [] : [failure])],
    left: ended ? 0 : left,
    /** Seconds of a request. */
    each: taken.length === 0 ? undefined : taken.reduce((a, b) => a + b, 0) / taken.length / 1000 / atOnce,
  };
}

function failureKinds(messages: readonly string[]): FailureKind[] {
  const found = new Map<string, { count: number; example: string }>();
  for (const message of messages) {
    const kind = kindOf(message);
    const before = found.get(kind);
    if (before === undefined) found.set(kind, { count: 1, example: message });
    else before.count++;
  }
  return [...found]
    .map(([kind, { count, example }]) => ({ kind, count, example }))
    .sort((a, b) => b.count - a.count);
}

/** Leaves out addresses, paths, texts in quotes and numbers, but for what a server answered. */
function kindOf(message: string): string {
  return message
    .replaceAll(/https?:\/\/\S+?(?=[:,]?(\s|$))/g, "…")
    .replaceAll(/(?<![\w…])(?:\.{0,2}|[A-Za-z]:)[\\/][^\s:,]+/g, "…")
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, "…")
    .replaceAll(/(?<!answered )(?<![\w.])\d[\d.]*/g, "#");
}
