import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { readJsonFile, writeWhole } from "@vlmopt/files";
import type { ReplacedTensor } from "@vlmopt/models";
import { fromRanges, type HeadChoice, PruningError, toRanges } from "@vlmopt/pruning";
import { type EncodedWeight, storedPart } from "@vlmopt/quant";
import {
  type Checkpoint,
  fileSink,
  fromFloat32,
  openCheckpoint,
  readTensor,
  tensorNamed,
  toFloat32,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import type { BlockReport } from "./calibration.ts";
import type { PackedWeight } from "./quantize-block.ts";

/** A block that is done: what stays of it, and its new weights. */
export interface DoneBlock {
  readonly report: BlockReport;
  readonly neurons?: readonly number[] | undefined;
  readonly heads?: HeadChoice | undefined;
  /** By name. */
  readonly repaired: ReadonlyMap<string, ReplacedTensor>;
  /** What formats store of those that are quantized, by name. */
  readonly packed?: ReadonlyMap<string, PackedWeight> | undefined;
  /** What somebody should know. */
  readonly notes?: readonly string[] | undefined;
}

/** Finished blocks on a disk, so that a compression that was stopped goes on behind the last of them. */
export interface BlockStore {
  /** Those that an earlier run left, in order. */
  readonly done: number;
  read(index: number): Promise<DoneBlock>;
  write(index: number, block: DoneBlock): Promise<void>;
  /** New weights of a block as a checkpoint; undefined where it has none. */
  open(index: number): Promise<Checkpoint | undefined>;
  /** Where what formats store of a block's weights lies, by name. */
  encoded(index: number): Promise<ReadonlyMap<string, EncodedWeight>>;
  /** Plain data that is found before the first block: by `find`, or by an earlier run of the same compression. */
  found<T>(name: string, find: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

interface StoredBlock {
  readonly report: BlockReport;
  readonly neurons?: string;
  readonly heads?: { readonly query: string; readonly keyValue: string };
  readonly repaired: readonly string[];
  readonly packed?: Readonly<Record<string, { readonly parts: number; readonly error: number }>>;
  readonly notes?: readonly string[];
}

/**
 * @param folder made if it is not there
 * @param key says what is made of what: all that decides the result
 * @throws {PruningError} where the folder holds blocks of another compression
 */
export async function openBlockStore(
  folder: string,
  source: Checkpoint,
  key: Readonly<Record<string, string>>,
): Promise<BlockStore> {
  const state = join(folder, "compression.json");
  const place = (index: number, extension: string) =>
    join(folder, `block-${String(index).padStart(4, "0")}.${extension}`);
  let done = 0;
  while ((await readJsonFile(place(done, "json"))) !== undefined) done++;
  // A folder without a finished block holds nothing to lose.
  const begun = done === 0 ? undefined : await readJsonFile<Record<string, string>>(state);
  const other = begun && Object.keys(key).find((name) => key[name] !== begun[name]);
  if (other !== undefined) {
    throw new PruningError(
      `${folder} holds the beginning of a compression with another ${other}`,
      `run it again with the same ${other} to go on, or remove the folder to begin anew`,
    );
  }
  const stored = async (index: number) =>
    (await readJsonFile<StoredBlock>(place(index, "json"))) as StoredBlock;
  const open = async (index: number) =>
    (await stored(index)).repaired.length === 0 ? undefined : openCheckpoint(place(index, "safetensors"));
  return {
    done,
    open,
    async encoded(index) {
      const { packed = {} } = await stored(index);
      const found = new Map<string, EncodedWeight>();
      if (Object.keys(packed).length === 0) return found;
      await using weights = await openCheckpoint(place(index, "packed.safetensors"));
      for (const [name, { parts, error }] of Object.entries(packed)) {
        const names = Array.from({ length: parts }, (_, i) => `${name} ${i}`);
        found.set(name, { parts: await Promise.all(names.map((part) => storedPart(weights, part))), error });
      }
      return found;
    },
    async read(index) {
      const { report, neurons, heads, repaired, notes } = await stored(index);
      await using weights = await open(index);
      const tensors = new Map<string, ReplacedTensor>();
      for (const name of weights === undefined ? [] : repaired) {
        const { shape, dtype } = tensorNamed(weights as Checkpoint, name);
        tensors.set(name, { shape, data: toFloat32(await readTensor(weights as Checkpoint, name), dtype) });
      }
      return {
        report,
        neurons: neurons === undefined ? undefined : fromRanges(neurons),
        heads: heads && { query: fromRanges(heads.query), keyValue: fromRanges(heads.keyValue) },
        repaired: tensors,
        notes,
      };
    },
    async write(
      index,
      { report, neurons, heads, repaired, notes = [], packed = new Map<string, PackedWeight>() },
    ) {
      if (index === 0) {
        await mkdir(folder, { recursive: true });
        await writeWhole(state, JSON.stringify(key));
      }
      if (repaired.size > 0) {
        const tensors = [...repaired].map(([name, { shape, data }]) => {
          const { dtype } = tensorNamed(source, name);
          return { name, dtype, shape, bytes: fromFloat32(data, dtype) };
        });
        await writeCheckpoint(tensors, fileSink(place(index, "safetensors"), { overwrite: true }));
      }
      if (packed.size > 0) {
        const tensors = [...packed].flatMap(([name, { parts }]) =>
          parts.map((bytes, i) => ({
            name: `${name} ${i}`,
            dtype: "U8" as const,
            shape: [bytes.length],
            bytes,
          })),
        );
        await writeCheckpoint(tensors, fileSink(place(index, "packed.safetensors"), { overwrite: true }));
      }
      const text: StoredBlock = {
        report,
        ...(neurons === undefined ? {} : { neurons: toRanges(neurons) }),
        ...(heads === undefined
          ? {}
          : { heads: { query: toRanges(heads.query), keyValue: toRanges(heads.keyValue) } }),
        repaired: [...repaired.keys()],
        ...(notes.length === 0 ? {} : { notes }),
        ...(packed.size === 0
          ? {}
          : {
              packed: Object.fromEntries(
                [...packed].map(([name, { parts, error }]) => [name, { parts: parts.length, error }]),
              ),
            }),
      };
      // Last, so that a block is there whole or not at all.
      await writeWhole(place(index, "json"), JSON.stringify(text));
    },
    async found<T>(name: string, find: () => Promise<T>) {
      const path = join(folder, `${name}.json`);
      const earlier = await readJsonFile<{ readonly key: unknown; readonly value: T }>(path);
      if (JSON.stringify(earlier?.key) === JSON.stringify(key)) return (earlier as { value: T }).value;
      const value = await find();
      await mkdir(folder, { recursive: true });
      await writeWhole(path, JSON.stringify({ key, value }));
      return value;
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}
