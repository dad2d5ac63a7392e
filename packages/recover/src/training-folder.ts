import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { readJsonFile, writeWhole } from "@vlmopt/files";
import type { Parameters } from "@vlmopt/models";
import { fileSink, openCheckpoint, readTensor, toFloat32, writeCheckpoint } from "@vlmopt/tensor-io";
import { RecoveryError } from "./recovery-error.ts";
import type { TrainingState, TrainingStore } from "./train.ts";

/** Beside an output, what an interrupted recovery has learned so far. */
export interface TrainingFolder {
  /** Of one lesson. */
  store(lesson: string): TrainingStore;
  /** Weights of a lesson that is done. */
  readDone(lesson: string): Promise<Parameters | undefined>;
  writeDone(lesson: string, parameters: Parameters): Promise<void>;
  remove(): Promise<void>;
}

interface StoredState extends Omit<TrainingState, "parameters" | "optimizer" | "best" | "steps"> {
  readonly file: string;
  readonly updates: number;
  readonly best: { readonly loss: number; readonly step: number };
  readonly steps: number | null;
}

/**
 * @param folder made when the first state is written
 * @param key says what learns what from whom: all that decides the result
 * @throws {RecoveryError} where the folder holds the beginning of another recovery
 */
export async function openTrainingFolder(
  folder: string,
  key: Readonly<Record<string, string>>,
): Promise<TrainingFolder> {
  const about = join(folder, "recovery.json");
  const names = await readdir(folder).catch((): string[] => []);
  // A folder without states holds nothing to lose.
  const before = names.some((name) => name.endsWith(".safetensors"))
    ? await readJsonFile<Record<string, string>>(about)
    : undefined;
  const other = before && Object.keys(key).find((name) => key[name] !== before[name]);
  if (other !== undefined) {
    throw new RecoveryError(
      `${folder} holds the beginning of a recovery with another ${other}`,
      `run it again with the same ${other} to go on, or remove the folder to begin anew`,
    );
  }
  const begin = async () => {
    await mkdir(folder, { recursive: true });
    await writeWhole(about, JSON.stringify(key));
  };
  const donePath = (lesson: string) => join(folder, `${lesson}.done.safetensors`);
  return {
    store(lesson) {
      const state = join(folder, `${lesson}.json`);
      return {
        async read() {
          const stored = await readJsonFile<StoredState>(state);
          if (stored === undefined) return undefined;
          const { file, updates, best, steps, ...others } = stored;
          const tensors = await readAll(join(folder, file));
          const part = (kind: string) =>
            new Map(
              [...tensors]
                .filter(([name]) => name.startsWith(`${kind} `))
                .map(([name, numbers]) => [name.slice(kind.length + 1), numbers]),
            );
          return {
            ...others,
            steps: steps ?? undefined,
            parameters: part("weight"),
            optimizer: { means: part("mean"), squares: part("square"), updates },
            best: { ...best, parameters: part("best") },
          };
        },
        async write({ parameters, optimizer, best, steps, ...others }) {
          await begin();
          const file = `${lesson}-${others.step}.safetensors`;
          const kinds = {
            weight: parameters,
            mean: optimizer.means,
            square: optimizer.squares,
            best: best.parameters,
          };
          await writeAll(
            join(folder, file),
            Object.entries(kinds).flatMap(([kind, all]) =>
              [...all].map(([name, numbers]) => [`${kind} ${name}`, numbers] as const),
            ),
          );
          const stored: StoredState = {
            ...others,
            file,
            updates: optimizer.updates,
            best: { loss: best.loss, step: best.step },
            steps: steps ?? null,
          };
          // Last, so that a state is there whole or not at all.
          await writeWhole(state, JSON.stringify(stored));
          for (const name of await readdir(folder)) {
            const isOlder = name.startsWith(`${lesson}-`) && name.endsWith(".safetensors") && name !== file;
            if (isOlder) await rm(join(folder, name));
          }
        },
      };
    },
    async readDone(lesson) {
      const path = donePath(lesson);
      const found = await readdir(folder).catch((): string[] => []);
      return found.includes(`${lesson}.done.safetensors`) ? readAll(path) : undefined;
    },
    async writeDone(lesson, parameters) {
      await begin();
      await writeAll(donePath(lesson), [...parameters]);
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

async function readAll(path: string): Promise<Map<string, Float32Array>> {
  await using checkpoint = await openCheckpoint(path);
  const found = new Map<string, Float32Array>();
  for (const [name, { dtype }] of checkpoint.tensors)
    found.set(name, Float32Array.from(toFloat32(await readTensor(checkpoint, name), dtype)));
  return found;
}

async function writeAll(path: string, tensors: readonly (readonly [string, Float32Array])[]): Promise<void> {
  const literals = tensors.map(([name, { buffer, byteOffset, byteLength, length }]) => ({
    name,
    dtype: "F32" as const,
    shape: [length],
    bytes: new Uint8Array(buffer, byteOffset, byteLength),
  }));
  await writeCheckpoint(literals, fileSink(path, { overwrite: true }));
}
