import { copyFile, mkdir, rename, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BenchError } from "../bench-error.ts";
import type { Recipe } from "../recipe/read-recipe.ts";
import type { BenchRecord, RunRecord } from "../records/bench-record.ts";
import { readJournal } from "../records/journal.ts";
import { type Run, replaceFile, runFiles } from "../records/run-folder.ts";
import { claimRunFolder } from "../run/claim-run-folder.ts";
import { remakeRun } from "../run/remake-run.ts";
import { shardsWith } from "./shard.ts";

export interface MergedRun {
  readonly run: Run;
  /** Shards of which there are no records, such as `3/16`. */
  readonly missing: readonly string[];
}

/** A run's folder and what it holds. */
interface Source {
  readonly folder: string;
  readonly records: readonly BenchRecord[];
  readonly start: RunRecord & { readonly shard?: string };
}

/**
 * Brings the records and pictures of shards together in one folder, and makes their summary. What the folder holds already counts as another shard's does, so that
 * the same can be merged again and shards may come later; shards that are still at work give what they have.
 * @throws {BenchError} where two folders are of different recipes, data, versions or models, or hold one shard in two ways
 */
export async function mergeRuns(out: string, folders: readonly string[]): Promise<MergedRun> {
  const target = resolve(out);
  const sources = folders
    .map((folder) => sourceOf(resolve(folder)))
    .filter(({ folder }) => folder !== target);
  const [first] = sources;
  if (first === undefined)
    throw new BenchError(`${out}: there is nothing to merge`, "name folders of shards");
  byShardOf(sources);
  await using _claim = await claimRunFolder(first.start.recipe, target, { fresh: false });
  const earlier = await stat(join(target, runFiles.results)).catch(() => undefined);
  const byShard = byShardOf(earlier === undefined ? sources : [sourceOf(target), ...sources]);
  const names = shardsWith(first.start.shard);
  const merged = names.flatMap((shard) => byShard.get(shard)?.records ?? []);
  for (const { folder, records } of byShard.values()) await copyPictures(folder, target, records);
  const lines = merged.map((record) => `${JSON.stringify(record)}\n`);
  await replaceFile(join(target, runFiles.results), lines.join(""));
  const missing = names.flatMap((shard) => (shard === undefined || byShard.has(shard) ? [] : [shard]));
  return { run: await remakeRun(target), missing };
}

function sourceOf(folder: string): Source {
  const records = readJournal(join(folder, runFiles.results));
  const start = records.filter((record) => record.kind === "run").at(-1);
  if (start === undefined)
    throw new BenchError(`${folder}: holds no records that say what they are of`, "run its shard anew");
  return { folder, records, start };
}

/** Records of each shard, and the folder that has them. */
function byShardOf(sources: readonly Source[]): Map<string | undefined, Source> {
  const found = new Map<string | undefined, Source>();
  for (const source of sources) {
    const [first = source] = sources;
    const differing = differenceOf(first, source);
    if (differing !== undefined)
      throw new BenchError(
        `${first.folder} and ${source.folder} do not belong together: ${differing}`,
        "merge shards of one recipe, on the same data, by the same version",
      );
    for (const [shard, records] of shardsOf(source)) {
      const one = { ...source, records };
      const before = found.get(shard);
      found.set(shard, before === undefined ? one : longer(before, one, shard));
    }
  }
  return found;
}

function differenceOf(
  { start: a, records }: Source,
  { start: b, records: others }: Source,
): string | undefined {
  const [version, otherVersion] = [a, b].map(
    ({ environment, protocol }) => `${environment.vlmopt} (protocol ${protocol})`,
  );
  if (version !== otherVersion) return `they are of versions ${version} and ${otherVersion}`;
  if (recipeText(a.recipe) !== recipeText(b.recipe))
    return `they are of different recipes, ${JSON.stringify(a.recipe.name)} and ${JSON.stringify(b.recipe.name)}`;
  if (a.hash !== b.hash) return `they are of different data, ${signatures(a)} and ${signatures(b)}`;
  const [shards, otherShards] = [a, b].map(({ shard }) => shardsWith(shard).length);
  if (shards !== otherShards) return `they are of ${shards} and ${otherShards} shards`;
  const hashes = new Map(variantsOf(records, a.hash));
  const [variant] =
    variantsOf(others, a.hash).find(([name, hash]) => (hashes.get(name) ?? hash) !== hash) ?? [];
  if (variant !== undefined) return `${variant} is made of different models`;
  return undefined;
}

/** What may fail changes no measurement. */
function recipeText({ maxFailed: _, ...measured }: Recipe): string {
  return JSON.stringify(measured);
}

function signatures({ parts }: RunRecord): string {
  return parts.map(({ signature }) => signature).join(", ");
}

function variantsOf(
  records: readonly BenchRecord[],
  data: string,
): (readonly [name: string, hash: string])[] {
  return records.flatMap((record) =>
    record.kind === "variant" && record.data === data ? [[record.name, record.hash] as const] : [],
  );
}

function shardsOf({ records }: Source): Map<string | undefined, BenchRecord[]> {
  const found = new Map<string | undefined, BenchRecord[]>();
  for (const record of records) {
    const same = found.get(record.shard);
    if (same === undefined) found.set(record.shard, [record]);
    else same.push(record);
  }
  return found;
}

/**
 * Of two copies of one shard, one of which may have been taken earlier.
 * @throws {BenchError} where neither begins as the other
 */
function longer(one: Source, other: Source, shard: string | undefined): Source {
  const [short, long] = one.records.length > other.records.length ? [other, one] : [one, other];
  const isPart = short.records.every(
    (record, i) => JSON.stringify(record) === JSON.stringify(long.records[i]),
  );
  if (isPart) return long;
  throw new BenchError(
    `${one.folder} and ${other.folder} both hold ${shard === undefined ? "a whole run" : `shard ${shard}`}, measured apart`,
    "keep one of them, and merge into a new folder",
  );
}

async function copyPictures(from: string, to: string, records: readonly BenchRecord[]): Promise<void> {
  if (from === to) return;
  const images = records.flatMap((record) =>
    record.kind === "question" && "item" in record ? record.item.images : [],
  );
  await mkdir(join(to, "images"), { recursive: true });
  for (const image of new Set(images)) {
    if (!/^images\/[\w.-]+$/.test(image))
      throw new BenchError(
        `${from}: ${JSON.stringify(image)} is no picture of a run`,
        "its records were changed",
      );
    const path = join(to, image);
    const [there, wanted] = await Promise.all([stat(path).catch(() => undefined), stat(join(from, image))]);
    if (there?.size === wanted.size) continue;
    await copyFile(join(from, image), `${path}.tmp`);
    await rename(`${path}.tmp`, path);
  }
}
