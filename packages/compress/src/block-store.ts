import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ReplacedTensor } from "@vlmopt/models";
import { fromRanges, type HeadChoice, PruningError, toRanges } from "@vlmopt/pruning";
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

/** A block that is done: what stays of it, and its new weights. */
export interface DoneBlock {
  readonly report: BlockReport;
  readonly neurons?: readonly number[] | undefined;
  readonly heads?: HeadChoice | undefined;
  /** By name. */
  readonly repaired: ReadonlyMap<string, ReplacedTensor>;
}

/** Finished blocks on a disk, so that a compression that was stopped goes on behind the last of them. */
export interface BlockStore {
  /** Those that an earlier run left, in order. */
  readonly done: number;
  read(index: number): Promise<DoneBlock>;
  write(index: number, block: DoneBlock): Promise<void>;
  /** New weights of a block as a checkpoint; undefined where it has none. */
  open(index: number): Promise<Checkpoint | undefined>;
  remove(): Promise<void>;
}

interface StoredBlock {
  readonly report: BlockReport;
  readonly neurons?: string;
  readonly heads?: { readonly query: string; readonly keyValue: string };
  readonly repaired: readonly string[];
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
  while ((await readJson(place(done, "json"))) !== undefined) done++;
  // A folder without a finished block holds nothing to lose.
  const begun = done === 0 ? undefined : await readJson<Record<string, string>>(state);
  const other = begun && Object.keys(key).find((name) => key[name] !== begun[name]);
  if (other !== undefined) {
    throw new PruningError(
      `${folder} holds the beginning of a compression with another ${other}`,
      `run it again with the same ${other} to go on, or remove the folder to begin anew`,
    );
  }
  const stored = async (index: number) => (await readJson<StoredBlock>(place(index, "json"))) as StoredBlock;
  const open = async (index: number) =>
    (await stored(index)).repaired.length === 0 ? undefined : openCheckpoint(place(index, "safetensors"));
  return {
    done,
    open,
    async read(index) {
      const { report, neurons, heads, repaired } = await stored(index);
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
      };
    },
    async write(index, { report, neurons, heads, repaired }) {
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
      const text: StoredBlock = {
        report,
        ...(neurons === undefined ? {} : { neurons: toRanges(neurons) }),
        ...(heads === undefined
          ? {}
          : { heads: { query: toRanges(heads.query), keyValue: toRanges(heads.keyValue) } }),
        repaired: [...repaired.keys()],
      };
      // Last, so that a block is there whole or not at all.
      await writeWhole(place(index, "json"), JSON.stringify(text));
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.partial`, text);
  await rename(`${path}.partial`, path);
}
