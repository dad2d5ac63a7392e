import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { z } from "zod";
import { DatasetError } from "../dataset-error.ts";
import type { FetchOptions } from "../hub/hub-folder.ts";
import {
  type ColumnMapping,
  type ColumnMappingInput,
  columnMappingSchema,
  columnsRead,
  toRecords,
} from "../records/column-mapping.ts";
import { readTable } from "../records/table.ts";
import type { VqaRecord } from "../records/vqa-record.ts";
import { describeSampling, type Sampling, sampleRecords } from "../sampling.ts";
import { chooseDataFiles } from "./data-files.ts";
import type { FileTree } from "./file-tree.ts";
import { type ImageIndex, indexImages } from "./image-index.ts";
import { inlineImage } from "./inline-image.ts";

export interface VqaSetOptions {
  /** Which split: files are found by its name, or one that means the same (`val`, `validation`). */
  readonly split?: string;
  /** Which columns hold what. Default: `question`, `image`, `answer`, and where there, `context`, `topic`, `url`. */
  readonly columns?: ColumnMappingInput;
  /** Patterns of the files that hold the rows, where the split's name does not tell. */
  readonly files?: readonly string[];
  /** Folder that paths of images start from. Default: that of the file that names them. */
  readonly imageRoot?: string;
  /** Keep these topics alone. */
  readonly topics?: readonly string[];
  /** Of these topics, or of all, which records. Default: all. */
  readonly sample?: Sampling;
}

/** Questions about images, and the images. */
export interface VqaSet {
  /** `datasets/org/name`, or a folder. */
  readonly name: string;
  readonly split: string | undefined;
  /** The hub's commit that the records come from. */
  readonly commit: string | undefined;
  readonly records: readonly VqaRecord[];
  /** What was read, how it was sampled and a hash of the records: equal for equal records, whatever machine they were read on. */
  readonly signature: string;
  /** An image's bytes, as the file holds them (PNG, JPEG …); fetched if it is not there. */
  readImage(record: VqaRecord): Promise<Uint8Array>;
  /** Fetches the images of all records at once. */
  fetchImages(options?: FetchOptions): Promise<void>;
}

/** How the image of a record is had: from the data file, or from a file of its own. */
type ImageSource = () => Promise<Uint8Array | undefined>;

/** Reads a split's rows from a tree of files. */
export async function openVqaSet(tree: FileTree, options: VqaSetOptions & FetchOptions): Promise<VqaSet> {
  const { split, topics, sample } = options;
  const files = chooseDataFiles(tree.paths, tree.name, options);
  await tree.fetch(files, options);
  const embedded = new Map<string, ImageSource>();
  const imageRoots = new Map<string, string>();
  const all: VqaRecord[] = [];
  for (const [number, file] of files.entries()) {
    const records = await readRecords(tree, file, files.length > 1 ? `${number}:` : "", options, embedded);
    for (const record of records) {
      imageRoots.set(record.id, options.imageRoot ?? posix.dirname(file));
      all.push(record);
    }
  }
  checkIds(all, tree.name);
  const ofTopics =
    topics === undefined ? all : all.filter(({ topic }) => topic !== undefined && topics.includes(topic));
  if (ofTopics.length === 0 && all.length > 0) throw noSuchTopic(tree.name, all);
  const records = sample === undefined ? ofTopics : sampleRecords(ofTopics, sample);

  let index: ImageIndex | undefined;
  const fileOf = ({ id, image }: VqaRecord) => {
    index ??= indexImages(tree.paths, tree.name);
    return index.find(image, imageRoots.get(id));
  };
  return {
    name: tree.name,
    split,
    commit: tree.commit,
    records,
    signature: signatureOf(tree, split, topics, sample, records),
    async readImage(record) {
      const source = embedded.get(record.id);
      const bytes = source === undefined ? await readImageFile(tree, fileOf(record)) : await source();
      if (bytes !== undefined) return bytes;
      throw new DatasetError("missing-image", `${tree.name}: the image of ${record.id} is empty`);
    },
    async fetchImages(fetchOptions) {
      const apart = records.filter(({ id }) => !embedded.has(id));
      await tree.fetch([...new Set(apart.map(fileOf))], fetchOptions);
    },
  };
}

async function readRecords(
  tree: FileTree,
  file: string,
  prefix: string,
  options: VqaSetOptions,
  embedded: Map<string, ImageSource>,
): Promise<VqaRecord[]> {
  const given = parseMapping(options.columns);
  let mapping = given;
  const table = await readTable(tree.pathOf(file), {
    image: given.image,
    choose: (available) => {
      mapping = withOptionalColumns(given, available);
      return columnsRead(mapping, available);
    },
  });
  mapping = withOptionalColumns(given, table.columns);
  const records = toRecords(table, mapping, prefix);
  const { readImage } = table;
  return records.map((record, row) => {
    if (readImage !== undefined) {
      embedded.set(record.id, () => readImage(row));
      return record;
    }
    if (inlineImage(record.image) === undefined) return record;
    const text = record.image;
    embedded.set(record.id, async () => inlineImage(text));
    return { ...record, image: `${record.id}#${mapping.image}` };
  });
}

function parseMapping(columns: ColumnMappingInput | undefined): ColumnMapping {
  const parsed = columnMappingSchema.safeParse(columns ?? {});
  if (parsed.success) return parsed.data;
  throw new DatasetError("missing-column", `the columns are invalid: ${z.prettifyError(parsed.error)}`);
}

/** Takes along `context`, `topic` and `url` where the table has columns of these names and the mapping says nothing else. */
function withOptionalColumns(mapping: ColumnMapping, available: readonly string[]): ColumnMapping {
  const found = ["context", "topic", "url"].filter((column) => available.includes(column));
  return { ...Object.fromEntries(found.map((column) => [column, column])), ...mapping };
}

async function readImageFile(tree: FileTree, path: string): Promise<Uint8Array> {
  await tree.fetch([path]);
  return readFile(tree.pathOf(path));
}

function checkIds(records: readonly VqaRecord[], set: string): void {
  const seen = new Set<string>();
  for (const { id } of records) {
    if (seen.has(id))
      throw new DatasetError("invalid-row", `${set}: the id ${JSON.stringify(id)} is there twice`);
    seen.add(id);
  }
}

function noSuchTopic(set: string, records: readonly VqaRecord[]): DatasetError {
  const topics = [
    ...new Set(records.map(({ topic }) => topic).filter((topic) => topic !== undefined)),
  ].sort();
  return new DatasetError("invalid-sampling", `${set}: no record has such a topic`, {
    hint: topics.length === 0 ? "its records have no topics" : `its topics are ${topics.join(", ")}`,
  });
}

/** Names no folder, which another machine has elsewhere; the hash tells what the records are. */
function signatureOf(
  tree: FileTree,
  split: string | undefined,
  topics: readonly string[] | undefined,
  sample: Sampling | undefined,
  records: readonly VqaRecord[],
): string {
  const hash = createHash("sha256").update(JSON.stringify(records)).digest("hex").slice(0, 16);
  const origin = tree.commit === undefined ? posix.basename(tree.name) : `${tree.name}@${tree.commit}`;
  return [
    `set:${origin}`,
    `split:${split ?? "-"}`,
    `topics:${topics === undefined ? "all" : [...topics].sort().join("+")}`,
    `sample:${describeSampling(sample)}`,
    `n:${records.length}`,
    `sha256:${hash}`,
  ].join("|");
}
