import { createHash } from "node:crypto";
import { BenchError } from "../bench-error.ts";

/** One part of a run that is spread over machines. */
export interface Shard {
  /** Counted from 1. */
  readonly index: number;
  readonly count: number;
}

/** A run that is not spread. */
export const WHOLE: Shard = { index: 1, count: 1 };

/**
 * Reads `3/16`.
 * @throws {BenchError} where it is no shard
 */
export function parseShard(text: string): Shard {
  const [, index = 0, count = 0] = (/^(\d{1,6})\/(\d{1,6})$/.exec(text.trim()) ?? []).map(Number);
  if (index >= 1 && index <= count) return { index, count };
  throw new BenchError(
    `${JSON.stringify(text)} is no shard`,
    "give its number and how many there are, such as 3/16; the first is 1",
  );
}

export function shardText({ index, count }: Shard): string {
  return `${index}/${count}`;
}

/** Whether an item is of a shard: by a hash of its id, so that machines need not speak with each other. */
export function isInShard(id: string, { index, count }: Shard): boolean {
  return createHash("sha256").update(id).digest().readUInt32BE() % count === index - 1;
}

/** Names in records of all shards of a run, of which one is told; undefined is a run that is not spread. */
export function shardsWith(name: string | undefined): readonly (string | undefined)[] {
  if (name === undefined) return [undefined];
  const { count } = parseShard(name);
  return Array.from({ length: count }, (_, i) => shardText({ index: i + 1, count }));
}

/** The names, those of all shards of a run, where there is such a run among them; else nothing. */
export function completeSet(
  names: readonly (string | undefined)[],
): readonly (string | undefined)[] | undefined {
  return names.map(shardsWith).find((all) => all.every((name) => names.includes(name)));
}

/** Whether records of this shard are of the one that measures speed. */
export function isTiming(name: string | undefined): boolean {
  return name === undefined || measuresSpeed(parseShard(name));
}

/** One shard measures speed, so that all variants are timed on one machine. */
export function measuresSpeed({ index }: Shard): boolean {
  return index === 1;
}
