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
  type RowRecord,
  toRecords,
  type UnusableRow,
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
  /** Of JSON, CSV and TSV: `latin1`, `shift_jis` … Default: UTF-8, or UTF-16 where its byte order mark says so. */
  readonly encoding?: string;
  /** Takes note of rows without a question or a picture, which are left out. Without it such a row is an error. */
  readonly leaveOut?: (row: UnusableRow) => void;
}

/** Questions about images, and the images. */
export interface VqaSet {
  /** `datasets/org/name`, or a folder. */
  readonly name: string;
  readonly split: string | undefined;
  /** The hub's commit that the records come from. */
  readonly commit: string | undefined;
  readonly records: readonly VqaRecord[];
  /** Rows of the files, before any was left out or sampled. */
  readonly rows: number;
  /** What was read, how it was sampled and a hash of the records: equal for equal records, whatever machine they were read on. */
  readonly signature: string;
  /** An image's bytes, as the file holds them (PNG, JPEG …); fetched if it is not there. */
  readImage(record: VqaRecord): Promise<Uint8Array>;
  /** File and row of a record, for messages. */
  placeOf(record: VqaRecord): string;
  /** Fetches the images of all records at once, or of these. @throws {DatasetError} where there is none of that name */
  fetchImages(options?: FetchOptions & { readonly records?: readonly VqaRecord[] }): Promise<void>;
  /** Why a record has no image, as far as that can be told before it is read: none of that name, or several. */
  imageProblem(record: VqaRecord): string | undefined;
}

/** How the image of a record is had from the data file; a text is the path of a file of its own. */
type ImageSource = () => Promise<Uint8Array | string | undefined>;

/** Reads a split's rows from a tree of files. */
export async function openVqaSet(tree: FileTree, options: VqaSetOptions & FetchOptions): Promise<VqaSet> {
  const { split, topics, sample } = options;
  const files = chooseDataFiles(tree.paths, tree.name, options);
  await tree.fetch(files, options);
  const embedded = new Map<string, ImageSource>();
  const places = new Map<string, RowPlace>();
  const all: VqaRecord[] = [];
  let unusable = 0;
  const { leaveOut } = options;
  const reading: VqaSetOptions = leaveOut
    ? {
        ...options,
        leaveOut(row) {
          unusable++;
          leaveOut(row);
        },
      }
    : options;
  for (const [number, file] of files.entries()) {
    const prefix = files.length > 1 ? `${number}:` : "";
    for (const { record, row } of await readRecords(tree, file, prefix, reading, embedded)) {
      const twice = places.get(record.id);
      if (twice !== undefined) throw sameId(record.id, tree, twice, { file, row });
      places.set(record.id, { file, row });
      all.push(record);
    }
  }
  const ofTopics =
    topics === undefined ? all : all.filter(({ topic }) => topic !== undefined && topics.includes(topic));
  if (ofTopics.length === 0 && all.length > 0) throw noSuchTopic(tree.name, all);
  const records = sample === undefined ? ofTopics : sampleRecords(ofTopics, sample);

  let index: ImageIndex | undefined;
  const fileNamed = (image: string, id: string) => {
    index ??= indexImages(tree.paths, tree.name);
    return index.find(image, options.imageRoot ?? posix.dirname(places.get(id)?.file ?? ""));
  };
  const fileOf = ({ id, image }: VqaRecord) => fileNamed(image, id);
  const placeOf = ({ id }: VqaRecord) => {
    const place = places.get(id);
    return place === undefined ? tree.name : rowText(tree, place);
  };
  return {
    name: tree.name,
    split,
    commit: tree.commit,
    records,
    rows: all.length + unusable,
    signature: signatureOf(tree, split, topics, sample, records),
    placeOf,
    async readImage(record) {
      const source = embedded.get(record.id);
      const held = source === undefined ? fileOf(record) : await heldImage(source, record, placeOf);
      if (typeof held !== "string") return held;
      return readImageFile(tree, source === undefined ? held : fileNamed(held, record.id));
    },
    async fetchImages({ records: wanted = records, ...fetchOptions } = {}) {
      const apart = wanted.filter(({ id }) => !embedded.has(id));
      await tree.fetch([...new Set(apart.map(fileOf))], fetchOptions);
    },
    imageProblem(record) {
      try {
        if (!embedded.has(record.id)) fileOf(record);
        return undefined;
      } catch (error) {
        if (error instanceof DatasetError) return error.message;
        throw error;
      }
    },
  };
}

/** A data file and a row of it, counted from 0. */
interface RowPlace {
  readonly file: string;
  readonly row: number;
}

function rowText(tree: FileTree, { file, row }: RowPlace): string {
  return `${tree.pathOf(file)}: row ${row}`;
}

async function heldImage(
  source: ImageSource,
  record: VqaRecord,
  placeOf: (record: VqaRecord) => string,
): Promise<Uint8Array | string> {
  const problem = (text: string, cause?: unknown) =>
    new DatasetError("missing-image", `${placeOf(record)}: the image of ${record.id} ${text}`, { cause });
  let held: Uint8Array | string | undefined;
  try {
    held = await source();
  } catch (error) {
    throw problem(error instanceof Error ? error.message : String(error), error);
  }
  if (held === undefined || held.length === 0) throw problem("is empty");
  return held;
}

async function readRecords(
  tree: FileTree,
  file: string,
  prefix: string,
  options: VqaSetOptions,
  embedded: Map<string, ImageSource>,
): Promise<RowRecord[]> {
  const given = parseMapping(options.columns);
  let mapping = given;
  const table = await readTable(tree.pathOf(file), {
    image: given.image,
    encoding: options.encoding,
    choose: (available) => {
      mapping = withOptionalColumns(given, available);
      return columnsRead(mapping, available);
    },
  });
  mapping = withOptionalColumns(given, table.columns);
  const { readImage } = table;
  return toRecords(table, mapping, prefix, options.leaveOut).map((read): RowRecord => {
    const { record, row } = read;
    if (readImage !== undefined) {
      embedded.set(record.id, () => readImage(row));
      return read;
    }
    if (inlineImage(record.image) === undefined) return read;
    const text = record.image;
    embedded.set(record.id, async () => inlineImage(text));
    return { record: { ...record, image: `${record.id}#${mapping.image}` }, row };
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

function sameId(id: string, tree: FileTree, first: RowPlace, second: RowPlace): DatasetError {
  const rows =
    first.file === second.file
      ? `${tree.pathOf(first.file)}: rows ${first.row} and ${second.row}`
      : `${rowText(tree, first)}, and ${rowText(tree, second)}`;
  return new DatasetError("invalid-row", `${rows}: the id ${JSON.stringify(id)} is there twice`);
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
