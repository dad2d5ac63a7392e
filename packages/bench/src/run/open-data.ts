import { access, mkdir, rename, writeFile } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { hubSet, localFolder, type VqaRecord, type VqaSet, vqaonline } from "@vlmopt/datasets";
import { BenchError } from "../bench-error.ts";
import type { DataSpec } from "../recipe/recipe.ts";
import type { DatasetSummary } from "../records/run-summary.ts";
import { textHash } from "./content-hash.ts";

/** A question of a run, with its picture in the run's folder. */
export interface DataItem {
  readonly id: string;
  readonly question: string;
  /** Path from the run's folder, with `/`. */
  readonly image: string;
  readonly references: readonly string[];
  readonly topic: string | null;
}

export interface RunData {
  readonly summary: DatasetSummary;
  readonly items: readonly DataItem[];
}

/**
 * Reads the questions, and puts their pictures into the run's folder, where reports find them.
 * @throws {BenchError} where there are none
 */
export async function openData(spec: DataSpec, folder: string): Promise<RunData> {
  const set = await openSet(spec);
  if (set.records.length === 0) throw new BenchError(`${set.name}: holds no questions`);
  await set.fetchImages();
  await mkdir(join(folder, "images"), { recursive: true });
  const items: DataItem[] = [];
  for (const record of set.records) {
    const { id, question, answers, topic } = record;
    const image = await keepImage(set, record, folder);
    items.push({ id, question, image, references: answers, topic: topic ?? null });
  }
  const name = "hub" in spec ? spec.hub : "vqaonline" in spec ? "VQAonline" : basename(set.name);
  return {
    summary: { name, split: set.split ?? null, count: items.length, signature: set.signature },
    items,
  };
}

async function openSet(spec: DataSpec): Promise<VqaSet> {
  const { topics, sample } = spec;
  const chosen = { ...(topics === undefined ? {} : { topics }), ...(sample === undefined ? {} : { sample }) };
  if ("vqaonline" in spec) {
    const { vqaonline: split, revision } = spec;
    return vqaonline({ split, ...chosen, ...(revision === undefined ? {} : { revision }) });
  }
  const { split, columns, files, encoding } = spec;
  const read = {
    ...chosen,
    ...(split === undefined ? {} : { split }),
    ...(columns === undefined ? {} : { columns }),
    ...(files === undefined ? {} : { files }),
    ...(encoding === undefined ? {} : { encoding }),
  };
  if ("folder" in spec) return localFolder(spec.folder, read);
  return hubSet(spec.hub, { ...read, ...(spec.revision === undefined ? {} : { revision: spec.revision }) });
}

/** Pictures of one name in several folders stay apart. */
async function keepImage(set: VqaSet, record: VqaRecord, folder: string): Promise<string> {
  const extension = extname(record.image);
  const stem = basename(record.image, extension).replaceAll(/[^\w.-]/g, "_");
  const name = `images/${stem}-${textHash(record.image).slice(0, 6)}${extension.replaceAll(/[^\w.]/g, "")}`;
  const path = join(folder, name);
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) {
    await writeFile(`${path}.tmp`, await set.readImage(record));
    await rename(`${path}.tmp`, path);
  }
  return name;
}
