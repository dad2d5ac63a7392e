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
  mappingReader,
  noSuchMember,
} from "../records/column-mapping.ts";
import { joinTables } from "../records/join-tables.ts";
import { readTable } from "../records/read-table.ts";
import { type RowRecord, toRecords, type UnusableRow } from "../records/row-reader.ts";
import type { Table } from "../records/table.ts";
import type { VqaRecord } from "../records/vqa-record.ts";
import { describeSampling, type Sampling, sampleRecords } from "../sampling.ts";
import { chooseDataFiles } from "./data-files.ts";
import type { FileTree } from "./file-tree.ts";
import { type ImageIndex, indexImages } from "./image-index.ts";
import { inlineImageBytes, isInlineImage } from "./inline-image.ts";
import { pictureTables } from "./picture-tables.ts";
import type { SetLayout } from "./set-layout.ts";

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
  /** The bytes of a record's images, as the file holds them (PNG, JPEG …); fetched if they are not there. */
  readImages(record: VqaRecord): Promise<readonly Uint8Array[]>;
  /** Those of its first image. */
  readImage(record: VqaRecord): Promise<Uint8Array>;
  /** File and row of a record, for messages. */
  placeOf(record: VqaRecord): string;
  /** Fetches the images of all records at once, or of these. @throws {DatasetError} where there is none of that name */
  fetchImages(options?: FetchOptions & { readonly records?: readonly VqaRecord[] }): Promise<void>;
  /** Why a record has no image, as far as that can be told before it is read: none of that name, or several. */
  imageProblem(record: VqaRecord): string | undefined;
}

/** How the images of a record are had from the data file; a text is the path of a file of its own. */
type ImageSource = () => Promise<readonly (Uint8Array | string)[]>;

/** Reads a split's rows from a tree of files. */
export async function openVqaSet(
  tree: FileTree,
  options: VqaSetOptions & FetchOptions,
  layout: SetLayout = layoutOf(options),
): Promise<VqaSet> {
  const { topics, sample, leaveOut } = options;
  const { rows, joined } = layout;
  const { split } = rows;
  const files = chooseDataFiles(tree.paths, tree.name, rows);
  const others = joined === undefined ? [] : chooseDataFiles(tree.paths, tree.name, joined);
  // Who wants the first few rows needs the first few files.
  const enough = sample?.method === "first" && topics === undefined ? sample.count : Number.POSITIVE_INFINITY;
  await tree.fetch(Number.isFinite(enough) ? others : [...files, ...others], options);
  const lookUp = layout.pictures && (await pictureTables(tree, layout.pictures, options));
  const embedded = new Map<string, ImageSource>();
  const places = new Map<string, RowPlace>();
  const all: VqaRecord[] = [];
  let unusable = 0;
  const takeNote = leaveOut && {
    leaveOut(row: UnusableRow) {
      unusable++;
      leaveOut(row);
    },
  };
  const read = readerOf(layout, tree, others, { ...options, ...takeNote }, embedded);
  for (const [number, file] of files.entries()) {
    const prefix = files.length > 1 ? `${number}:` : "";
    await tree.fetch([file], options);
    for await (const part of read(file, prefix)) {
      for (const { record, row } of part) {
        const twice = places.get(record.id);
        if (twice !== undefined) throw sameId(record.id, tree, twice, { file, row });
        places.set(record.id, { file, row });
        all.push(record);
      }
      if (hasEnough(all, enough)) break;
    }
    if (hasEnough(all, enough)) break;
  }
  if (lookUp !== undefined)
    for (const { id, image } of all) if (!embedded.has(id)) embedded.set(id, () => lookUp(image));
  const ofTopics =
    topics === undefined ? all : all.filter(({ topic }) => topic !== undefined && topics.includes(topic));
  if (ofTopics.length === 0 && all.length > 0) throw noSuchTopic(tree.name, all);
  const records = sample === undefined ? ofTopics : sampleRecords(ofTopics, sample);

  let index: ImageIndex | undefined;
  const fileNamed = (image: string, id: string) => {
    index ??= indexImages(tree.paths, tree.name);
    return index.find(image, options.imageRoot ?? posix.dirname(places.get(id)?.file ?? ""));
  };
  const filesOf = ({ id, image, images = [image] }: VqaRecord) => images.map((name) => fileNamed(name, id));
  const placeOf = ({ id }: VqaRecord) => {
    const place = places.get(id);
    return place === undefined ? tree.name : rowText(tree, place);
  };
  async function readImages(record: VqaRecord): Promise<readonly Uint8Array[]> {
    const source = embedded.get(record.id);
    const held = source === undefined ? filesOf(record) : await heldImages(source, record, placeOf);
    return Promise.all(
      held.map((image) => {
        if (typeof image !== "string") return image;
        return readImageFile(tree, source === undefined ? image : fileNamed(image, record.id));
      }),
    );
  }
  return {
    name: tree.name,
    split,
    commit: tree.commit,
    records,
    rows: all.length + unusable,
    signature: signatureOf(tree, split, topics, sample, records),
    placeOf,
    readImages,
    // Of no image there is an error, so there is a first.
    readImage: async (record) => (await readImages(record))[0] as Uint8Array,
    async fetchImages({ records: wanted = records, ...fetchOptions } = {}) {
      const apart = wanted.filter(({ id }) => !embedded.has(id));
      await tree.fetch([...new Set(apart.flatMap(filesOf))], fetchOptions);
    },
    imageProblem(record) {
      try {
        if (!embedded.has(record.id)) filesOf(record);
        return undefined;
      } catch (error) {
        if (error instanceof DatasetError) return error.message;
        throw error;
      }
    },
  };
}

/** Rows with a question, a picture and answers each, in columns that options name. */
function layoutOf({ columns, split, files }: VqaSetOptions): SetLayout {
  return { reader: mappingReader(parseMapping(columns)), rows: { split, files } };
}

/** A data file and a row of it, counted from 0. */
interface RowPlace {
  readonly file: string;
  readonly row: number;
}

function rowText(tree: FileTree, { file, row }: RowPlace): string {
  return `${tree.pathOf(file)}: row ${row}`;
}

async function heldImages(
  source: ImageSource,
  record: VqaRecord,
  placeOf: (record: VqaRecord) => string,
): Promise<readonly (Uint8Array | string)[]> {
  const problem = (text: string, cause?: unknown) =>
    new DatasetError("missing-image", `${placeOf(record)}: the image of ${record.id} ${text}`, { cause });
  let held: readonly (Uint8Array | string)[];
  try {
    held = await source();
  } catch (error) {
    throw problem(error instanceof Error ? error.message : String(error), error);
  }
  if (held.length === 0 || held.some(({ length }) => length === 0)) throw problem("is empty");
  return held;
}

/** Units need all their records, which may stand anywhere. */
function hasEnough(records: readonly VqaRecord[], count: number): boolean {
  return records.length >= count && records[0]?.unit === undefined;
}

/** Reads the records of one file after the other, in parts. */
function readerOf(
  { reader, joined }: SetLayout,
  tree: FileTree,
  others: readonly string[],
  options: VqaSetOptions,
  embedded: Map<string, ImageSource>,
): (file: string, prefix: string) => AsyncGenerator<readonly RowRecord[]> {
  const partsOf = (file: string) =>
    readTable(tree.pathOf(file), {
      images: reader.images,
      encoding: options.encoding,
      choose: reader.columnsRead,
      paths: reader.paths,
    });
  const further: Table[] = [];
  return async function* (file, prefix) {
    if (further.length === 0)
      for (const other of others) for await (const part of partsOf(other)) further.push(part);
    let unreached: readonly string[] | undefined;
    for await (const part of partsOf(file)) {
      const table = joined === undefined ? part : joinTables(part, further, joined.by);
      reader.check(table);
      const here = reader.unreached?.(table) ?? [];
      unreached = unreached?.filter((column) => here.includes(column)) ?? here;
      const [column] = unreached;
      if (table.isLast && column !== undefined) throw noSuchMember(table, column);
      yield withImages(table, toRecords(table, reader, prefix, options.leaveOut), reader.images, embedded);
    }
  };
}

/** Notes where the images are that the table itself holds. */
function withImages(
  { readPictures }: Table,
  read: readonly RowRecord[],
  columns: readonly string[],
  embedded: Map<string, ImageSource>,
): RowRecord[] {
  // A picture that stands in the text of another row is named by that row's id.
  const inline = new Map(
    read.flatMap(({ record: { id, image } }) => (isInlineImage(image) ? [[id, image]] : [])),
  );
  return read.map((one): RowRecord => {
    const { record, row, pictures } = one;
    if (readPictures !== undefined && pictures.length > 0) {
      embedded.set(record.id, heldPictures(readPictures, row, pictures));
      return one;
    }
    const { image, images = [image] } = record;
    const texts = images.map((text) => (isInlineImage(text) ? text : inline.get(text)));
    if (!texts.every((text) => text !== undefined)) return one;
    embedded.set(record.id, async () => texts.map(inlineImageBytes));
    const names = images.map((_, i) => `${record.id}#${columns[i] ?? `${i}`}`);
    const named = { ...record, image: names[0] ?? record.image };
    return { ...one, record: images.length > 1 ? { ...named, images: names } : named };
  });
}

/** Keeps nothing of the part of the file that the row was read in. */
function heldPictures(
  read: NonNullable<Table["readPictures"]>,
  row: number,
  columns: readonly string[],
): ImageSource {
  return async () => (await Promise.all(columns.map((column) => read(row, column)))).flat();
}

function parseMapping(columns: ColumnMappingInput | undefined): ColumnMapping {
  const parsed = columnMappingSchema.safeParse(columns ?? {});
  if (parsed.success) return parsed.data;
  throw new DatasetError("missing-column", `the columns are invalid: ${z.prettifyError(parsed.error)}`);
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

/** SHA-256 of the records as one JSON text, which is not made as a whole: of large sets it takes hundreds of MB. */
function hashOf(records: readonly VqaRecord[]): string {
  const hash = createHash("sha256");
  let text = "[";
  for (const [i, record] of records.entries()) {
    text += `${i === 0 ? "" : ","}${JSON.stringify(record)}`;
    if (text.length < HASHED_AT_ONCE) continue;
    hash.update(text);
    text = "";
  }
  return hash.update(`${text}]`).digest("hex").slice(0, 16);
}

/** Characters. */
const HASHED_AT_ONCE = 1 << 16;

/** Names no folder, which another machine has elsewhere; the hash tells what the records are. */
function signatureOf(
  tree: FileTree,
  split: string | undefined,
  topics: readonly string[] | undefined,
  sample: Sampling | undefined,
  records: readonly VqaRecord[],
): string {
  const hash = hashOf(records);
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
